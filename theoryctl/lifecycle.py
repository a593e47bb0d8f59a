"""What the commands call: one function a verb."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from theoryctl.attachments import load_attachments
from theoryctl.catalog import Catalog
from theoryctl.errors import BadInputs, InternalError, Interrupted, UsageError, error_info
from theoryctl.inputs import InputFlags
from theoryctl.manifest import Manifest
from theoryctl.outputs import check_folder, save_outputs
from theoryctl.platforms import host_platform
from theoryctl.refs import ProviderRef
from theoryctl.results import RunResult
from theoryctl.runtimes import get_runtime
from theoryctl.secrets import read_secrets
from theoryctl_providers.contract import (
    Envelope,
    Event,
    Mode,
    ProviderConfig,
    Request,
    Result,
    Started,
    Stopwatch,
    build_envelope,
    is_mock,
    resolve_mode,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What `run` was asked to do. `timeout` is in seconds, `max_attachment` in bytes."""

    ref: ProviderRef
    inputs: InputFlags
    max_attachment: int
    mode: str | None = None
    attach: tuple[str, ...] = ()
    timeout: float | None = None
    save_dir: str | None = None
    env_file: str | None = None
    manifests: str | None = None


def positive_seconds(seconds: float | None) -> float | None:
    """`--timeout`, checked. Raises UsageError."""
    if seconds is not None and not 0 < seconds < float("inf"):
        raise UsageError(f"--timeout {seconds:g}: found no positive number of seconds", hint="for example --timeout 30")
    return seconds


def run(options: RunOptions, on_event: Callable[[Event], None]) -> RunResult:
    """Send one request and return its envelope; `on_event` sees everything on the way.

    Everything is checked before the provider is asked. Raises TheoryctlError for what is wrong before there is a
    request; what fails later, Ctrl-C too, is in the envelope.
    """
    request = _request(options)
    if options.save_dir is not None:
        check_folder(options.save_dir)
    envelope = _invoke(request, on_event)
    if options.save_dir is not None and envelope["outputs"]:
        envelope = save_outputs(envelope, options.save_dir)
    return RunResult(envelope)


def _request(options: RunOptions) -> Request:
    manifest = Catalog(options.manifests).find(options.ref).load()
    given = options.inputs.read()
    mode = resolve_mode(given or {}, options.mode)
    if given is None and not is_mock(mode):
        raise BadInputs("real mode needs inputs, and none were given", hint='for example --prompt "Say hello"')
    return Request(
        config=_config(manifest, mode, options),
        inputs=manifest.example if given is None else given,
        mode=mode,
        attachments=load_attachments(options.attach, options.max_attachment),
        timeout=options.timeout,
        checked=given is None,
    )


def _config(manifest: Manifest, mode: Mode, options: RunOptions) -> ProviderConfig:
    rules = manifest.secret_rules
    # Mock mode does not even look at a secret.
    secrets = {} if is_mock(mode) else read_secrets([rule.name for rule in rules], options.env_file)
    return ProviderConfig(
        provider=manifest.provider,
        ref=manifest.ref,
        default_model=manifest.models.default,
        input_schema=manifest.inputs,
        secret_rules=rules,
        secrets=secrets,
        timeout=manifest.resources.timeout,
        platform=host_platform(),
    )


def _invoke(request: Request, on_event: Callable[[Event], None]) -> Envelope:
    stopwatch, model = Stopwatch(), None
    try:
        with closing(get_runtime(request.config.runtime).invoke(request)) as events:
            for event in events:
                if isinstance(event, Result):
                    return event.envelope
                if isinstance(event, Started):
                    model = event.model
                on_event(event)
    except KeyboardInterrupt:
        return _interrupted(request, stopwatch, model)
    raise InternalError("the runtime ended without a result")


def _interrupted(request: Request, stopwatch: Stopwatch, model: str | None) -> Envelope:
    config = request.config
    return build_envelope(
        error=error_info(Interrupted("interrupted before the answer was complete", hint="run it again")),
        run_id=request.run_id,
        ref=config.ref,
        mode=request.mode,
        runtime=config.runtime,
        model=model,
        stopwatch=stopwatch,
        image=config.image,
        platform=config.platform,
        attachments=[attachment.public() for attachment in request.attachments],
        secrets_present=list(config.secrets),
    )
