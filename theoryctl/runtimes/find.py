"""The places a provider can run in. Which one is picked here, and nowhere else.

A new one is a module, a line here, its name in `theoryctl.settings`, and in `theoryctl.instances.records` the field of
a record that it fills.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from theoryctl.errors import NotRunning, RefNotFound, UsageError
from theoryctl.hints import Hint, again, command
from theoryctl.instances import records
from theoryctl.instances.records import BadRecord
from theoryctl.settings import EMBEDDED as EMBEDDED
from theoryctl.settings import RUNTIMES, Settings
from theoryctl.settings import STARTED as STARTED
from theoryctl_providers.contract import ProviderError

if TYPE_CHECKING:
    from theoryctl.instances.instance import Instance
    from theoryctl.manifests.model import Manifest
    from theoryctl.refs import ProviderRef
    from theoryctl.runtimes.base import Session, StartedRuntime

MODAL = "modal"
DEFAULT = STARTED[0]


class _Class(NamedTuple):
    """The place of a runtime's class, which is imported when it is used."""

    module: str
    name: str


#: The class of each runtime in `STARTED`.
_CLASSES = {
    "docker": _Class("theoryctl.runtimes.docker.runtime", "DockerRuntime"),
    "process": _Class("theoryctl.runtimes.process.runtime", "ProcessRuntime"),
}


def open_embedded(reason: str, code: tuple[str, ...]) -> Session:
    """Begin a session inside this process, and say the `reason`; `code` is where a provider's package lies that is not
    installed."""
    from theoryctl.runtimes.embedded import EmbeddedSession

    return EmbeddedSession(code, f"embedded{reason}")


def open_modal(ref: ProviderRef, environment: str, app: str | None, manifest: Manifest) -> Session:
    """Begin a session with what is deployed on Modal, as `app` or as one's own. Raises what looking it up does."""
    from theoryctl.runtimes.modal import ModalSession

    return ModalSession(ref, environment, app, manifest)


def started_runtime(name: str) -> StartedRuntime:
    """The runtime of that name. Raises KeyError."""
    from importlib import import_module

    found = _CLASSES[name]
    runtime: StartedRuntime = getattr(import_module(found.module), found.name)()
    return runtime


def find(ref: ProviderRef, runtime: str | None, name: str | None = None) -> Instance | None:
    """The instance that `run` is to use; None where the run is embedded.

    Raises NotRunning where a runtime or a name was given and nothing is started there, or the record is a bad one;
    UsageError for an unknown runtime, and where several instances are started and no one of them was named.
    """
    if runtime is not None:
        _check_asked(runtime)
    if runtime == EMBEDDED:
        if name is not None:
            hint = again("leave one of them out", runtime=None)
            raise UsageError("--name: nothing is started in the embedded runtime", hint=hint)
        return None
    return _only(ref, runtime, name) if runtime is None and name is None else require(ref, runtime, name)


def require(ref: ProviderRef, runtime: str | None, name: str | None = None, **flags: str) -> Instance:
    """The recorded instance of a ref. Raises NotRunning (`ERR_NOT_RUNNING`) with the command that starts one, which has
    the `flags`, and UsageError as `find` does."""
    instance = _only(ref, runtime if runtime is None else known_runtime(runtime), name)
    if instance is None or not instance.url:
        where = (f" as {runtime}" if runtime else "") + (f" under the name {name}" if name else "")
        raise NotRunning(f"{ref} is not started{where}", hint=_way_to_start(ref, runtime, name, flags))
    return instance


def near_started(ref: ProviderRef, instances: Iterable[Instance]) -> str | None:
    """The ref of an instance that was meant by a ref which nobody knows; None where it is known, or near to none."""
    return None if _is_known(ref) else _near(ref, [instance.ref for instance in instances])


def _way_to_start(ref: ProviderRef, runtime: str | None, name: str | None, flags: Mapping[str, str]) -> Hint:
    """Return the user's command with the ref that was meant, else the command that starts what was meant."""
    if meant := near_started(ref, (each for each in records.all_instances() if _is_meant(each, runtime, name))):
        return again(f"use {meant}", ref=meant)
    named = _near_manifest(ref) or ref
    return command("local start", ref=named, runtime=runtime or _startable(ref), name=name, **flags)


def _startable(ref: ProviderRef) -> str:
    """The runtime that a ref was last started in, else that of the settings, else Docker, if it is there."""
    from theoryctl.docker.address import is_there

    wanted = records.last_runtime(ref) or Settings().text("runtime")
    known = wanted if wanted in STARTED else DEFAULT
    return "process" if known == "docker" and not is_there() else known


def _is_known(ref: ProviderRef) -> bool:
    """Return whether a ref has a manifest, or was started once; true where the manifests cannot be read."""
    from theoryctl.manifests.catalog import Catalog

    if records.last_runtime(ref):
        return True
    try:
        Catalog().find(ref)
    except RefNotFound:
        return False
    except ProviderError:
        return True
    return True


def _near_manifest(ref: ProviderRef) -> str | None:
    from theoryctl.manifests.catalog import Catalog

    if _is_known(ref):
        return None
    with suppress(ProviderError):
        return _near(ref, (str(found.ref) for found in Catalog().all()))
    return None


def _near(ref: ProviderRef, refs: Iterable[str]) -> str | None:
    from difflib import get_close_matches

    return next(iter(get_close_matches(str(ref), sorted(set(refs)), n=1, cutoff=0.8)), None)


def _only(ref: ProviderRef, runtime: str | None, name: str | None) -> Instance | None:
    """The one instance that is meant: without a name the one that was started without, where there is one."""
    found = [each for each in records.of_ref(ref) if _is_meant(each, runtime, name)]
    started = [each for each in found if not isinstance(each, BadRecord)]
    meant = [each for each in started if each.name == name] or started
    if len(meant) > 1:
        raise _several(ref, meant)
    if not meant and found and isinstance(found[0], BadRecord):
        message = f"the record {found[0].file} cannot be used: {found[0].reason}"
        raise NotRunning(message, hint=command("local stop", ref=ref, name=name))
    return meant[0] if meant else None


def _is_meant(record: Instance | BadRecord, runtime: str | None, name: str | None) -> bool:
    key = record.key
    return key is not None and runtime in (None, key.runtime) and name in (None, key.name)


def _several(ref: ProviderRef, found: Sequence[Instance]) -> UsageError:
    first, names = found[0], " and ".join(instance.where for instance in found)
    flag = f"--name {first.name}" if first.name else f"--runtime {first.runtime}"
    return UsageError(f"{ref} is started as {names}", hint=again(f"add {flag}", runtime=first.runtime, name=first.name))


def known_runtime(name: str) -> str:
    """The name of a runtime that can be started. Raises UsageError."""
    if name in STARTED:
        return name
    raise UsageError(
        f"--runtime {name!r} cannot be started: expected {' or '.join(STARTED)}", hint=_meant(name, STARTED, DEFAULT)
    )


def _check_asked(name: str) -> None:
    """Raise UsageError for a runtime that no run on this machine goes to."""
    if name not in RUNTIMES:
        message = f"--runtime: expected {', '.join(RUNTIMES[:-1])} or {RUNTIMES[-1]}, got {name!r:.100}"
        raise UsageError(message, hint=command("modal run") if name == MODAL else _meant(name, RUNTIMES, EMBEDDED))


def _meant(name: str, known: Iterable[str], otherwise: str) -> Hint:
    from difflib import get_close_matches

    near = next(iter(get_close_matches(name, known, n=1, cutoff=0.5)), otherwise)
    return again(f"use --runtime {near}", runtime=near)


def check_pin(instance: Instance, manifest: Manifest) -> None:
    """Raise DigestDrift (`ERR_DIGEST_DRIFT`) where the manifest pins another digest than the one that runs, and did not
    at the start, when --oci was there to say otherwise."""
    from theoryctl.instances.restart import stop_and_start
    from theoryctl.manifests import pins

    pinned, anew = manifest.pin(instance.platform), stop_and_start(instance, oci=None)
    pins.check_pin(instance.ref, pinned, instance.digest, instance.pin, state="running", hint=anew)
