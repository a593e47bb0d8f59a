"""One run: the request made from flags and manifest, sent to a runtime, and its envelope."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from theoryctl.actions.kept import kept
from theoryctl.actions.targets import Target
from theoryctl.errors import BadInputs, InternalError, Interrupted, UsageError
from theoryctl.hints import again
from theoryctl.manifests.catalog import Catalog, Found
from theoryctl.manifests.model import Manifest
from theoryctl.refs import ProviderRef
from theoryctl.requests.attachments import load_attachments
from theoryctl.requests.input_flags import InputFlags
from theoryctl.requests.mock_flags import MockFlags
from theoryctl.requests.save_flags import SaveFlags
from theoryctl.requests.spool import Spool
from theoryctl.requests.standard_input import StandardInput
from theoryctl.requests.wrapped_inputs import unwrapped
from theoryctl.results.run import RunResult
from theoryctl.runtimes.config import provider_config
from theoryctl.settings import Settings
from theoryctl_providers.contract import (
    MODES,
    Envelope,
    Event,
    Log,
    Mode,
    Operation,
    ProviderError,
    Request,
    Result,
    Started,
    Stopwatch,
    is_mock,
    resolve_mode,
)

if TYPE_CHECKING:
    from theoryctl.ledger.row import Source
    from theoryctl.requests.result_folder import ResultFolder


class RunOptions(NamedTuple):  # made faster than a dataclass, at every start
    """Options of a run. `timeout` is in seconds, `max_attachment` in bytes; `stream`: the answer comes in pieces.

    `source` is the ledger's word for whoever asks.
    """

    ref: ProviderRef
    inputs: InputFlags
    max_attachment: int
    standard_input: StandardInput
    mode: str | None = None
    stream: bool = False
    attach: tuple[str, ...] = ()
    timeout: float | None = None
    save: SaveFlags = SaveFlags()
    env_file: str | None = None
    manifests: str | None = None
    mocks: MockFlags = MockFlags()
    mock_missing_secrets: bool = False
    source: Source = "run"
    operation: Operation = "chat"

    def told_once(self) -> dict[str, Any]:
        """The flags that a provider is told once, at its start, with their values."""
        env_file = {"--env-file": self.env_file} if self.env_file is not None else {}
        return {**env_file, **self.mocks.given()}


def checked_mode(mode: str | None) -> str | None:
    """`--mode`, checked. Raises UsageError with the near miss."""
    if mode is None or mode in MODES:
        return mode
    near = get_close_matches(mode, MODES, n=1, cutoff=0.4)
    raise UsageError(
        f"--mode: expected {' or '.join(MODES)}, got {mode!r}",
        hint=again(f"use --mode {near[0]}", mode=near[0]) if near else "use --mode mock or --mode real",
    )


def run(options: RunOptions, target: Target, on_event: Callable[[Event], None]) -> RunResult:
    """Send one request to where it goes and return its envelope; `on_event` sees everything on the way.

    Everything is checked before the provider is asked. Raises TheoryctlError for what is wrong before there is a
    request; what fails later, Ctrl-C too, is in the envelope.
    """
    read = options.inputs.read(options.standard_input)  # first: its writer need not wait
    found = Catalog(options.manifests).find(options.ref)
    with ExitStack() as folders:
        spool = folders.enter_context(Spool(options.standard_input))
        settings = Settings()
        given = unwrapped(read or {}, found.load().inputs)
        if given is not None:
            on_event(Log('the inputs are those under "params": schema v1 of the first system'))
        given = read if given is None else given
        request = _request(options, given, target, settings, found.load(), spool)
        for note in _notes(request, options, target, settings):
            on_event(Log(note))
        record = options.mocks.recorded_to
        places = options.save.places(request.run_id)
        for place in places:
            folders.enter_context(place)
        record_to = folders.enter_context(_result_folder(options.mocks.record_flag, record)) if record else None
        keep = partial(_kept, options, target, found, on_event, settings)
        envelope = keep(request)
        if options.mock_missing_secrets and _lacks_a_secret(envelope):
            on_event(Log(f"a mock answers instead, for --mock-missing-secrets: {_message(envelope)}"))
            envelope = keep(_mocked(request), is_again=True)
        if record_to or target.record:
            from theoryctl.actions import recordings

            envelope = recordings.after_run(envelope, request.config.tape, record_to, target.record)
        for place in places:
            envelope = place.save(envelope)
        return RunResult(envelope)


def _notes(request: Request, options: RunOptions, target: Target, settings: Settings) -> Iterator[str]:
    """Lines on what is odd about a run, before it begins."""
    if note := _unsaid(request, options, target, settings):
        yield note
    yield from request.config.script.warnings if request.config.script else ()


def _unsaid(request: Request, options: RunOptions, target: Target, settings: Settings) -> str | None:
    """A line on a run that is real although nobody said so in this call; None for any other."""
    if is_mock(request.effective_mode) or "real" in (options.mode, request.inputs.get("mode")):
        return None
    named = settings.value("mode")
    why = named.source if named else f"the {target.runtime} instance"
    return f"real mode, as {why} says: a vendor is asked"


def _request(
    options: RunOptions,
    given: dict[str, Any] | None,
    target: Target,
    settings: Settings,
    manifest: Manifest,
    spool: Spool,
) -> Request:
    inputs = _completed(given, options, settings, manifest)
    mode = _mode({} if given is None else inputs, options, target, settings)
    target.check(manifest, mode)
    if given is None and not is_mock(mode):
        raise BadInputs(
            "real mode needs inputs, and none were given", hint=again("give a --prompt", prompt="Say hello")
        )
    target.check_flags(options.told_once())
    return Request(
        config=provider_config(
            manifest,
            runtime=target.runtime,
            mode=mode,
            mocks=options.mocks,
            env_file=options.env_file,
            with_secrets=not is_mock(mode) and not target.has_secrets,
        ),
        inputs=inputs,
        mode=mode,
        attachments=load_attachments(options.attach, options.max_attachment, spool),
        timeout=_timeout(options, settings),
        checked=given is None,
        streamed=options.stream,
        operation=options.operation,
    )


def _mode(inputs: dict[str, Any], options: RunOptions, target: Target, settings: Settings) -> Mode:
    is_said = options.mode is not None or inputs.get("mode") is not None
    return resolve_mode(inputs, options.mode, target.mode if is_said else settings.text("mode") or target.mode)


def _timeout(options: RunOptions, settings: Settings) -> float | None:
    found = settings.value("timeout") if options.timeout is None else None
    if found is None:
        return options.timeout
    from theoryctl.units import parse_timeout

    return parse_timeout(found.text, found.source)


def _completed(
    given: dict[str, Any] | None, options: RunOptions, settings: Settings, manifest: Manifest
) -> dict[str, Any]:
    """The inputs, else the manifest's example, with those of `-o` and `-m`, which count before those of a file, and
    with the model of the settings where none is named."""
    single = _single(options.inputs.options, manifest)
    if options.inputs.model is not None:
        single["model"] = options.inputs.model
    inputs = {**(manifest.example if given is None else given), **single}
    model = settings.text("model") if "model" in manifest.inputs.get("properties", {}) else None
    return {"model": model, **inputs} if model else inputs


def _single(options: tuple[str, ...], manifest: Manifest) -> dict[str, Any]:
    """The inputs that were given one by one."""
    if not options:
        return {}
    from theoryctl.requests.input_options import parse_options

    return parse_options(options, manifest.inputs)


def _kept(
    options: RunOptions,
    target: Target,
    found: Found,
    on_event: Callable[[Event], None],
    settings: Settings,
    request: Request,
    *,
    is_again: bool = False,
) -> Envelope:
    """Ask within the budget, and write the run into the ledger, as the settings say."""
    answers = options.mocks.given()
    call = partial(_invoke, target, found, is_again)
    return kept(call, request, found.load(), on_event, settings, source=options.source, answers=answers)


def _invoke(
    target: Target, found: Found, is_again: bool, request: Request, on_event: Callable[[Event], None]
) -> Envelope:
    """Ask in a session. Unless it `is_again` asked there, its place is told."""
    stopwatch, model = Stopwatch(), None
    try:
        with closing(target.open(found)) as session, closing(session.ask(request)) as events:
            if not is_again:
                on_event(Log(session.where))
            for event in events:
                if isinstance(event, Result):
                    return event.envelope
                if isinstance(event, Started):
                    model = event.model
                on_event(event)
    except KeyboardInterrupt:
        failure: ProviderError = Interrupted("interrupted before the answer was complete", hint="run it again")
    except ProviderError as error:
        failure = error
    else:
        raise InternalError("the runtime ended without a result")
    from theoryctl.requests.failure import failure_envelope

    return failure_envelope(request, stopwatch, model, failure)


def _result_folder(flag: str, folder: str) -> ResultFolder:
    from theoryctl.requests.result_folder import ResultFolder

    return ResultFolder(flag, folder)


def _lacks_a_secret(envelope: Envelope) -> bool:
    return envelope["error"] is not None and envelope["error"]["code"] == "ERR_MISSING_SECRET"


def _message(envelope: Envelope) -> str:
    return envelope["error"]["message"] if envelope["error"] else ""


def _mocked(request: Request) -> Request:
    """The same request in mock mode."""
    config = replace(request.config, mode="mock", secrets={}, tape=None, replay=None)
    return replace(request, mode="mock", config=config)
