"""Starting a provider that stays: everything is checked and fetched first, and one `start` works at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from theoryctl.actions.place import Place
from theoryctl.errors import DigestDrift, StartFailed, UsageError
from theoryctl.hints import again, command
from theoryctl.images.choice import ImageWish, base_image
from theoryctl.instances import records
from theoryctl.instances.instance import Instance
from theoryctl.instances.key import RecordKey
from theoryctl.instances.lock import alone
from theoryctl.instances.records import checked_name
from theoryctl.manifests.cache import read_manifest
from theoryctl.manifests.catalog import Catalog, Found
from theoryctl.manifests.code import code_digest
from theoryctl.manifests.model import Manifest
from theoryctl.paths import write_hint
from theoryctl.platforms import parse_platform
from theoryctl.progress import Progress
from theoryctl.refs import ProviderRef
from theoryctl.requests.mock_flags import MockFlags
from theoryctl.requests.result_folder import ResultFolder
from theoryctl.results.instances import Started
from theoryctl.runtimes.base import StartedRuntime
from theoryctl.runtimes.config import provider_config
from theoryctl.runtimes.find import DEFAULT, STARTED, known_runtime, started_runtime
from theoryctl.runtimes.start_request import StartRequest
from theoryctl.secrets import new_token, secret_digests
from theoryctl.settings import Settings
from theoryctl_providers.contract import Limits, ServerConfig, is_mock, resolve_mode, sha256

#: The defaults of `--wait-timeout` in seconds, and of `--max-attachment` in bytes.
WAIT_SECONDS, LARGEST = 60.0, Limits().attachment
#: Flags that another start is given again as they are.
_PLAIN = ("name", "port", "mode", "oci", "base_image", "require_pin", "platform")


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions:
    """Options of a start; `wait_timeout` is in seconds, `max_attachment` in bytes, LARGEST where it is None.

    `name` tells the instance from others of the ref and runtime; `port` is the one to listen on, None for a free one.
    `oci`, `build`, `require_pin`, `base_image` and `platform` choose the image, for runtimes that have one.
    """

    ref: ProviderRef
    runtime: str
    wait_timeout: float
    max_attachment: int | None = None
    name: str | None = None
    port: int | None = None
    mode: str | None = None
    env_file: str | None = None
    manifests: str | None = None
    oci: str | None = None
    build: bool = False
    require_pin: bool = False
    base_image: str | None = None
    platform: str | None = None
    mocks: MockFlags = field(default_factory=MockFlags)

    @property
    def mock_only(self) -> bool:
        """True where it was said that nothing but mocks are to be served."""
        return self.mode is not None and is_mock(self.mode)

    def flags(self) -> dict[str, Any]:
        """Options that another start has to be given again, by their names here; paths are absolute."""
        paths: dict[str, Any] = {"manifests": self.manifests, "env_file": self.env_file, **self.mocks._asdict()}
        scripts = [os.path.abspath(path) for path in paths.pop("script")]
        plain = {name: paths.pop(name) for name in ("tools", "mock_version")}
        plain |= {"script": scripts, **{name: getattr(self, name) for name in _PLAIN}}
        numbers = {"wait_timeout": (self.wait_timeout, WAIT_SECONDS), "max_attachment": (self.max_attachment, LARGEST)}
        return {
            **{name: value for name, value in plain.items() if value},
            **{name: os.path.abspath(path) for name, path in paths.items() if path is not None},
            **{name: value for name, (value, default) in numbers.items() if value not in (None, default)},
        }


def start(options: StartOptions, progress: Progress) -> Started:
    """Start an instance, or find the one that runs already.

    Raises StartFailed, DigestDrift where what runs is not what is asked for, what a bad manifest raises, and what
    choosing, pulling and building an image raise.
    """
    runtime = started_runtime(known_runtime(options.runtime))
    _check_flags(options, runtime)
    request = _request(options, Catalog(options.manifests).find(options.ref), progress)
    runtime.must_answer(options.ref)
    with _writable(options.ref), alone(request.key):
        running = records.instance_at(request.key)
        state = None if running is None else runtime.state(running)
        if running and state and state.healthy and not options.build:
            _refuse_another(running, request, runtime, options)
            return Started(running, already_running=True)
        place = Place(runtime, request.key, options.port, running, state)
        place.check()
        if script := request.server.provider.script:
            for warning in script.warnings:
                progress.step(warning)
        with _record_folder(request, options.mocks):
            return Started(place.take(request), already_running=False)


def _record_folder(request: StartRequest, mocks: MockFlags) -> contextlib.AbstractContextManager[object]:
    """The folder that exchanges are recorded to, which is made and tried; nothing where none are."""
    return ResultFolder(mocks.record_flag, request.record) if request.record else contextlib.nullcontext()


def _check_flags(options: StartOptions, runtime: StartedRuntime) -> None:
    flags = {
        "--oci": options.oci,
        "--build": options.build,
        "--require-pin": options.require_pin,
        "--base-image": options.base_image,
        "--platform": options.platform,
    }
    given = [name for name, value in flags.items() if value]
    if given and not runtime.has_image:
        raise UsageError(
            f"{given[0]}: the {runtime.name} runtime runs no image",
            hint=again("leave it out, or use --runtime docker", runtime="docker"),
        )


def _refuse_another(running: Instance, request: StartRequest, runtime: StartedRuntime, options: StartOptions) -> None:
    """Raise where the instance that runs is not the one that is asked for.

    That is DigestDrift for another image, manifest or code, and UsageError for any other difference.
    """
    place = {"ref": running.ref, "name": running.name}
    anew = command("local stop", **place).then(command("local start", runtime=running.runtime, **place))
    drift = runtime.differs(running, request)
    if drift is None and request.manifest_digest != running.manifest_digest:
        drift = "its manifest has changed since"
    if drift is None and running.code is not None and running.code != code_digest(request.image.code):
        drift = "its code has changed since"
    if drift:
        raise DigestDrift(f"{running.ref} is running already, but {drift}", hint=anew)
    if difference := next(_differences(running, request, options), None):
        raise UsageError(f"{running.ref} is running already, {difference}", hint=anew)


def _differences(running: Instance, request: StartRequest, options: StartOptions) -> Iterator[str]:
    """Yield in words how the instance that runs is not as this start asks."""
    if (options.mode or Settings().text("mode")) not in (None, running.mode):
        yield running.serves
    if options.port is not None and not running.url.endswith(f":{options.port}"):
        yield f"at {running.url}"
    if options.mock_only and running.flags.get("mode") is None:
        yield f"{running.serves}, and serves real requests as well"
    if options.max_attachment not in (None, running.max_attachment):
        yield f"with --max-attachment {running.max_attachment}"
    for name in _other_secrets(running, request, options):
        yield f"with another {name}" if name in running.secrets else f"without {name}"
    if options.mocks.recorded_to is not None and running.record != request.record:
        yield f"with another {options.mocks.record_flag}"
    answering = [flag for flag in ("--script", "--replay", "--tools") if flag in options.mocks.given()]
    if answering and running.answers != request.answers:
        yield f"with another {' or '.join(answering)}"
    yield from _other_mock_version(running, request, options.mocks)


def _other_mock_version(running: Instance, request: StartRequest, mocks: MockFlags) -> Iterator[str]:
    """Yield the version of the mock that runs in words, where a flag, a script or a setting asks for another one."""
    if running.mock_version == request.mock_version or not (mocks.version or mocks.script):
        return
    from theoryctl_providers.contract.script_document import NEWEST

    here, wanted = running.mock_version or NEWEST, request.mock_version or NEWEST
    if here != wanted:
        said = None if mocks.mock_version else Settings().value("mock_version")
        source = f", as {said.source} says" if said and said.text == str(wanted) else ""
        yield f"with mock version {here}, not {wanted}{source}"


def _other_secrets(running: Instance, request: StartRequest, options: StartOptions) -> list[str]:
    """The variables that are given here, and that the instance has otherwise or not at all.

    An env file says all that there is; the environment of another shell may lack what the first start was given. What
    serves mocks alone has no use for what merely stands in the environment.
    """
    if options.env_file is None and running.flags.get("mode") == "mock":
        return []
    given = secret_digests(running.token, request.server.provider.secrets)
    names = given if options.env_file is None else {**given, **running.secrets}
    return [name for name in names if given.get(name) != running.secrets.get(name)]


def _request(options: StartOptions, found: Found, progress: Progress) -> StartRequest:
    manifest = found.load()
    record = options.mocks.recorded_to
    return StartRequest(
        key=RecordKey(options.ref, options.runtime, checked_name(options.name)),
        port=options.port or 0,
        server=_server(options, manifest),
        manifest_digest=sha256(read_manifest(found.file)),
        image=_image(options, manifest, found.root),
        resources=manifest.resources,
        wait_seconds=options.wait_timeout,
        progress=progress,
        record=record and os.path.abspath(record),
        flags=options.flags(),
    )


def _server(options: StartOptions, manifest: Manifest) -> ServerConfig:
    """The document that the server is told, with a token of its own."""
    provider = provider_config(
        manifest,
        runtime=options.runtime,
        mode=resolve_mode({}, options.mode, _default_mode(options)),
        mocks=options.mocks,
        env_file=options.env_file,
        # Said, mock means mock alone: then no key leaves this machine's environment.
        with_secrets=not options.mock_only,
        mock_only=options.mock_only,
    )
    largest = LARGEST if options.max_attachment is None else options.max_attachment
    return ServerConfig(provider=provider, token=new_token(), limits=Limits(attachment=largest))


def _image(options: StartOptions, manifest: Manifest, root: Path) -> ImageWish:
    return ImageWish(
        ref=options.ref,
        image=manifest.image,
        root=root,
        oci=options.oci,
        build=options.build,
        anew=options.build,
        require_pin=options.require_pin,
        base=base_image(options.base_image),
        platform=None if options.platform is None else parse_platform(options.platform),
    )


def _default_mode(options: StartOptions) -> str:
    return "mock" if options.mode is not None else Settings().text("mode") or "mock"


def default_runtime() -> str:
    """The runtime of a start that names none: that of the settings, if it can be started."""
    wanted = Settings().text("runtime")
    return wanted if wanted in STARTED else DEFAULT


@contextlib.contextmanager
def _writable(ref: ProviderRef) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or "the state folder"
        hint = write_hint(error, "THEORYCTL_STATE_DIR")
        raise StartFailed(f"{ref}: {where}: {error.strerror}", hint=hint) from error
