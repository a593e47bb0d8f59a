"""Targets of a run, chosen by the command and its flags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from theoryctl.errors import UsageError
from theoryctl.hints import again, command
from theoryctl.instances import records
from theoryctl.instances.key import RecordKey
from theoryctl.instances.records import checked_name
from theoryctl.manifests.code import code_paths
from theoryctl.runtimes.find import (
    EMBEDDED,
    MODAL,
    check_pin,
    find,
    open_embedded,
    open_modal,
    started_runtime,
)
from theoryctl.settings import Settings
from theoryctl_providers.contract import is_mock

if TYPE_CHECKING:
    from theoryctl.hints import Hint
    from theoryctl.instances.instance import Instance
    from theoryctl.manifests.catalog import Found
    from theoryctl.manifests.model import Manifest
    from theoryctl.refs import ProviderRef
    from theoryctl.runtimes.base import Session
    from theoryctl.settings import Value
    from theoryctl_providers.contract import Mode


class Target(Protocol):
    """The place that a run goes to: this process, a started instance, or an app on Modal."""

    #: The name of its runtime.
    runtime: str
    #: The mode where neither a flag nor the inputs name one.
    mode: str
    #: Whether it has secrets of its own, so that those of the caller are not even read.
    has_secrets: bool
    #: Whether it answers in real mode too.
    takes_real: bool
    #: The instance that records what it is asked, if it is one.
    record: Instance | None

    def check_flags(self, told: Mapping[str, Any], mode: Mode) -> None:
        """Raise UsageError for a flag that comes too late, or leads nowhere, there; `told` has their values."""
        ...

    def check(self, manifest: Manifest, mode: Mode) -> None:
        """Raise what can be known to be wrong with a run there before it is asked."""
        ...

    def outdated(self, found: Found) -> str | None:
        """Return a line on a manifest or code that has changed since it was started there; None where neither has."""
        return None

    def open(self, found: Found) -> Session:
        """Begin a session there, for as many requests as wanted. Raises ProviderError where nobody can be asked."""
        ...


def local_target(ref: ProviderRef, runtime: str | None, name: str | None = None) -> Target:
    """The started instance of a ref, if there is one, and else this process. The runtime of the settings counts where
    neither a runtime nor a name is given; an instance that is not started is only missed where one is.

    Raises what `find` does.
    """
    preferred = _preferred(ref) if runtime is None and name is None else None
    wanted, source = (preferred.text, preferred.source) if preferred else (runtime, "--runtime")
    instance = find(ref, wanted, checked_name(name))
    if instance is not None:
        return _Started(instance)
    return _Here(f", as {source} says" if wanted == EMBEDDED else f": no instance of {ref} is started")


def embedded_target(reason: str) -> Target:
    """This process, whatever is started; `reason` says why, as it follows the word "embedded"."""
    return _Here(reason)


def _preferred(ref: ProviderRef) -> Value | None:
    wanted = Settings().value("runtime")
    can = wanted and (wanted.text == EMBEDDED or records.instance_at(RecordKey(ref, wanted.text)))
    return wanted if can else None


def modal_target(ref: ProviderRef, environment: str, app: str | None = None) -> Target:
    """The app of a ref in an environment of Modal, or the one named `app`; it is looked up when the run begins."""
    return _Deployed(ref, environment, app)


class _Here(Target):
    runtime, mode, has_secrets, takes_real, record = EMBEDDED, "mock", False, True, None

    def __init__(self, reason: str) -> None:
        #: The reason for it, as it follows the word "embedded".
        self._reason = reason

    def check_flags(self, told: Mapping[str, Any], mode: Mode) -> None:
        pass

    def check(self, manifest: Manifest, mode: Mode) -> None:
        pass

    def open(self, found: Found) -> Session:
        return open_embedded(self._reason, code_paths(found.root, found.load().image))


class _Started(Target):
    has_secrets = True

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self.runtime, self.mode = instance.runtime, instance.mode
        self.takes_real = instance.flags.get("mode") != "mock"
        self.record = instance if instance.record else None

    def check_flags(self, told: Mapping[str, Any], mode: Mode) -> None:
        if not told:
            return
        for flag, value in told.items():
            _must_be_readable(flag, value)
        message = f"{next(iter(told))}: a started instance keeps to what it was started with"
        raise UsageError(message, hint=self._anew(told, mode))

    def _anew(self, told: Mapping[str, Any], mode: Mode) -> Hint:
        """Return the commands that start it with the flags, and run again without them."""
        from theoryctl.instances.restart import stop_and_start

        changes: dict[str, Any] = {} if is_mock(mode) or self.takes_real else {"mode": None}
        for item in told.items():
            changes |= _started_with(*item)
        return stop_and_start(self._instance, **changes).then(
            again("run it again", **{_parameter(flag): None for flag in told})
        )

    def check(self, manifest: Manifest, mode: Mode) -> None:
        check_pin(self._instance, manifest)

    def outdated(self, found: Found) -> str | None:
        from theoryctl.actions.outdated import changed_since
        from theoryctl.instances.restart import stop_and_start

        changed, instance = changed_since(self._instance, found), self._instance
        if changed is None:
            return None
        older = "an older manifest" if changed == "manifest" else "older code"
        return f"{instance.ref} answers with {older}; to restart it: {stop_and_start(instance)}"

    def open(self, found: Found) -> Session:
        from theoryctl.instances.restart import start_again

        instance = self._instance
        return started_runtime(instance.runtime).open(instance, start_again(instance))


class _Deployed(Target):
    runtime, mode, has_secrets, takes_real, record = MODAL, "mock", True, True, None

    def __init__(self, ref: ProviderRef, environment: str, app: str | None) -> None:
        self._ref, self._environment, self._app = ref, environment, app

    def check_flags(self, told: Mapping[str, Any], mode: Mode) -> None:
        for flag in {"--record", "--record-missing"} & told.keys():
            hint = command("local run", ref=self._ref, mode="real", **{_parameter(flag): told[flag]})
            raise UsageError(f"{flag}: what runs on Modal is not recorded", hint=hint)

    def check(self, manifest: Manifest, mode: Mode) -> None:
        pass  # it has secrets of its own: what the shell has concerns this machine

    def open(self, found: Found) -> Session:
        return open_modal(self._ref, self._environment, self._app, found.load())


def _must_be_readable(flag: str, value: Any) -> None:
    """Read the files of a flag, without which the instance would be stopped in vain. Raises what their readers do."""
    if flag == "--script":
        from theoryctl.requests.mock_flags import joined

        joined(tuple(value))
    elif flag == "--env-file":
        from theoryctl.secrets import read_env_file

        read_env_file(value)


def _parameter(flag: str) -> str:
    return flag.removeprefix("--").replace("-", "_")


def _started_with(flag: str, value: Any) -> dict[str, Any]:
    """A flag of `run` that belongs to `start`, as changes to the flags that an instance was started with. Of those that
    say what it answers from there is one, and it goes with a mode."""
    if flag == "--env-file":
        return {"env_file": value}
    mode = "real" if flag.startswith("--record") else "mock"
    return {"mode": mode, **dict.fromkeys(("script", "replay", "record", "record_missing")), _parameter(flag): value}
