"""One run: the request made from flags and manifest, sent to a runtime, and its envelope."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from theoryctl.actions.asked import check_place, config_of, mode_of, model_of, notes, timeout_of
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
from theoryctl.settings import Settings
from theoryctl_providers.contract import (
    MODES,
    Envelope,
    Event,
    Log,
    Operation,
    ProviderError,
    Request,
    Result,
    Started,
    Stopwatch,
    is_mock,
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


def checked_mode(mode: str | None) -> str | None:
    """`--mode`, checked. Raises UsageError with the near miss."""
    if mode is None or mode in MODES:
        return mode
    near = get_close_matches(mode.lower(), MODES, n=1, cutoff=0.4)
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
    this_run = _Run(options, target, Catalog(options.manifests).find(options.ref), Settings(), on_event)
    with ExitStack() as opened:
        spool = opened.enter_context(Spool(options.standard_input))
        request = this_run.request(this_run.unwrapped(read), spool)
        for note in notes(options, target, this_run.settings, request.config, request.inputs):
            on_event(Log(note))
        places = options.save.places(request.run_id)
        for place in places:  # before the provider is asked: no answer is paid for that has no place
            opened.enter_context(place)
        record_to = _record_folder(options.mocks, opened)
        envelope = this_run.answer(request)
        if record_to or target.record:
            from theoryctl.actions import recordings

            envelope = recordings.after_run(envelope, request.config.tape, record_to, target.record)
        for place in places:
            envelope = place.save(envelope)
    return RunResult(envelope)


def _record_folder(mocks: MockFlags, opened: ExitStack) -> ResultFolder | None:
    """The folder for recordings of this process, which `opened` closes; None where nothing is recorded."""
    if mocks.recorded_to is None:
        return None
    from theoryctl.requests.result_folder import ResultFolder

    return opened.enter_context(ResultFolder(mocks.record_flag, mocks.recorded_to))


class _Run(NamedTuple):
    """A run: its options, its place and manifest, and the function that hears of it."""

    options: RunOptions
    target: Target
    found: Found
    settings: Settings
    on_event: Callable[[Event], None]

    def unwrapped(self, read: dict[str, Any] | None) -> dict[str, Any] | None:
        """The inputs as they were read, without the wrapper of an older schema, which is told."""
        inner = unwrapped(read or {}, self.found.load().inputs)
        if inner is None:
            return read
        self.on_event(Log('the inputs are those under "params": schema v1 of the first system'))
        return inner

    def request(self, given: dict[str, Any] | None, spool: Spool) -> Request:
        """Make the request of the inputs that were given; without any, of the manifest's example."""
        options, target, manifest = self.options, self.target, self.found.load()
        inputs = self._completed(given)
        mode = mode_of(options, target, self.settings, {} if given is None else inputs)
        check_place(options, target, manifest, mode)
        if given is None and not is_mock(mode):
            hint = again("give a --prompt", prompt="Say hello")
            raise BadInputs("real mode needs inputs, and none were given", hint=hint)
        return Request(
            config=config_of(options, target, manifest, mode),
            inputs=inputs,
            mode=mode,
            attachments=load_attachments(options.attach, options.max_attachment, spool),
            timeout=timeout_of(options, self.settings),
            checked=given is None,
            streamed=options.stream,
            operation=options.operation,
        )

    def _completed(self, given: dict[str, Any] | None) -> dict[str, Any]:
        """The inputs, else the manifest's example, with those of `-o` and `-m`, which count before those of a file, and
        with the model of the settings where none is named."""
        flags, manifest = self.options.inputs, self.found.load()
        inputs = {**(manifest.example if given is None else given), **_single(flags.options, manifest)}
        if flags.model is not None:
            inputs["model"] = flags.model
        if inputs.get("model") is None and (model := model_of(self.settings, manifest)):
            inputs["model"] = model
        return inputs

    def answer(self, request: Request) -> Envelope:
        """Ask, and where a secret is missing ask a mock instead, if the options say so."""
        envelope = self._kept(request)
        error = envelope["error"]
        if not self.options.mock_missing_secrets or error is None or error["code"] != "ERR_MISSING_SECRET":
            return envelope
        self.on_event(Log(f"a mock answers instead, for --mock-missing-secrets: {error['message']}"))
        return self._kept(_mocked(request), is_again=True)

    def _kept(self, request: Request, *, is_again: bool = False) -> Envelope:
        """Ask within the budget, and write the run into the ledger, as the settings say."""
        options = self.options
        return kept(
            partial(self._invoke, is_again),
            request,
            self.found.load(),
            self.on_event,
            self.settings,
            source=options.source,
            answers=options.mocks.given(),
        )

    def _invoke(self, is_again: bool, request: Request, on_event: Callable[[Event], None]) -> Envelope:
        """Ask in a session. Unless it `is_again` asked there, its place is told."""
        stopwatch, model = Stopwatch(), None
        try:
            with closing(self.target.open(self.found)) as session, closing(session.ask(request)) as events:
                if not is_again:
                    on_event(Log(session.where))
                    if outdated := self.target.outdated(self.found):
                        on_event(Log(outdated))
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


def _single(options: tuple[str, ...], manifest: Manifest) -> dict[str, Any]:
    """The inputs that were given one by one."""
    if not options:
        return {}
    from theoryctl.requests.input_options import parse_options

    return parse_options(options, manifest.inputs)


def _mocked(request: Request) -> Request:
    """The same request in mock mode."""
    config = replace(request.config, mode="mock", secrets={}, tape=None, replay=None)
    return replace(request, mode="mock", config=config)
