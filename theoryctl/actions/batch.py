"""A batch: many requests from a file of lines, sent to one place, and a row for each."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from theoryctl.actions.targets import Target
from theoryctl.batch.engine import Engine
from theoryctl.batch.engines import ThreadEngine, engine_here
from theoryctl.batch.failures import Failures
from theoryctl.batch.output import Output, OutputFile, OutputStream
from theoryctl.batch.pace import Pace
from theoryctl.batch.plan import Plan, Planner
from theoryctl.batch.requests import RequestMaker, check_elsewhere, check_here
from theoryctl.batch.rows import OurRows, RowFormat
from theoryctl.batch.run import Batch
from theoryctl.batch.source import Source, open_source
from theoryctl.batch.tally import Tally
from theoryctl.errors import Interrupted, UsageError
from theoryctl.hints import again
from theoryctl.manifests.catalog import Catalog
from theoryctl.refs import ProviderRef
from theoryctl.requests.input_options import parse_options
from theoryctl.requests.mock_flags import MockFlags
from theoryctl.requests.standard_input import NAMES, StandardInput
from theoryctl.results.batch import BatchResult
from theoryctl.runtimes.config import provider_config
from theoryctl.runtimes.find import EMBEDDED
from theoryctl.settings import Settings
from theoryctl.units import parse_timeout
from theoryctl_providers.contract import Mode, ProviderError, info_of, is_mock, resolve_mode


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOptions:
    """Options of a batch. `source` and `out` are paths, or `-`.

    `allow_failures` is a number of lines, or with `share` a part of them.
    """

    ref: ProviderRef
    source: str
    out: str
    max_attachment: int
    model: str | None = None
    options: tuple[str, ...] = ()
    mode: str | None = None
    form: str = "theoryctl"
    ordered: bool = False
    dedupe: bool = True
    skip_invalid: bool = False
    retry_failed: bool = False
    concurrency: int = 16
    rpm: float | None = None
    tpm: float | None = None
    allow_failures: Allowed = field(default_factory=lambda: Allowed(0.0))
    timeout: float | None = None
    env_file: str | None = None
    manifests: str | None = None
    mocks: MockFlags = field(default_factory=MockFlags)
    standard_input: StandardInput = field(default_factory=StandardInput)


@dataclass(frozen=True, slots=True)
class Allowed:
    """The failures that do not make a batch fail: a number of lines, or a share of them."""

    number: float
    is_share: bool = False

    def of(self, lines: int) -> float:
        """Return the number of lines that may fail."""
        return self.number * lines if self.is_share else self.number


@dataclass(frozen=True, slots=True)
class Listener:
    """Functions that hear of a batch: lines for people, the tally, and the rows that go to standard output."""

    tell: Callable[[str], None]
    watch: Callable[[Tally], None]
    write: Callable[[bytes], None]


def batch(options: BatchOptions, target: Target, listener: Listener) -> BatchResult:
    """Ask every line, and return the count. All lines are checked before the first call.

    Raises TheoryctlError for what is wrong before there is a call, and OutputFailed where rows cannot be written. What
    stops the batch later, Ctrl-C too, is in the result.
    """
    with ExitStack() as opened:
        settings, found = Settings(), Catalog(options.manifests).find(options.ref)
        mode = _mode(options, target, settings)
        target.check(found.load(), mode)
        target.check_flags(_told_once(options))
        source = opened.enter_context(open_source(options.source, options.standard_input))
        maker = _maker(options, target, settings, found.load(), mode, source)
        form = OurRows()
        file = _file(options, form, source, opened)
        session = target.open(found)
        opened.callback(session.close)
        check = check_here(maker.config) if target.runtime == EMBEDDED else check_elsewhere(maker.config)
        output_earlier = file.earlier if file else OutputStream(listener.write).earlier
        planner = Planner(
            plan=Plan(source, maker),
            check=check,
            earlier=output_earlier,
            dedupe=options.dedupe,
            skips=options.skip_invalid,
        )
        plan = planner.made()
        output: Output = file or OutputStream(listener.write, plan.rows_to_come() if options.ordered else None)
        if note := _unsaid(options, mode, target, settings):
            listener.tell(note)
        engine: Engine = (
            engine_here(session, maker.config, mode) if target.runtime == EMBEDDED else ThreadEngine(session)
        )
        listener.tell(engine.where)
        return _run(options, plan, engine, output, form, listener)


def _run(
    options: BatchOptions, plan: Plan, engine: Engine, output: Output, form: RowFormat, listener: Listener
) -> BatchResult:
    pace = Pace(options.concurrency, options.rpm, options.tpm)
    tally = Tally(asked=plan.asked)
    running = Batch(
        plan=plan,
        engine=engine,
        output=output,
        form=form,
        pace=pace,
        failures=Failures(pace, tally.asked),
        tally=tally,
        watch=listener.watch,
        tell=listener.tell,
    )
    try:
        with _interruptible(running, listener):
            running.run(ordered=options.ordered)
    except KeyboardInterrupt:
        running.error = Interrupted("interrupted: what was in flight was given up", hint=again("run it again"))
        output.finish(ordered=options.ordered)
    finally:
        engine.close()
    return _result(options, plan, output, tally, running.error)


@contextmanager
def _interruptible(running: Batch, listener: Listener) -> Iterator[None]:
    """Let the first Ctrl-C end the batch once what is in flight has come, and the second at once."""

    def interrupted(*_: Any) -> None:
        if running.error is not None:
            raise KeyboardInterrupt
        running.stop()
        listener.tell(f"interrupted: {running.tally.in_flight} in flight are finished first; Ctrl-C again ends at once")

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _result(
    options: BatchOptions, plan: Plan, output: Output, tally: Tally, error: ProviderError | None
) -> BatchResult:
    return BatchResult(
        out=None if _is_stream(options.out) else options.out,
        lines=plan.lines,
        invalid=plan.invalid,
        resumed=plan.resumed,
        copied=tally.copied,
        ok=tally.ok,
        failed=dict(sorted(tally.failed.items())),
        left=tally.asked - tally.done,
        retried=tally.retried,
        input_tokens=tally.input_tokens,
        output_tokens=tally.output_tokens,
        cost_usd=tally.cost_usd,
        unpriced=tally.unpriced,
        spent_before_usd=output.earlier.cost_usd,
        latency_ms=tally.percentiles(),
        seconds=tally.seconds,
        allowed=options.allow_failures.of(tally.asked),
        error=info_of(error) if error is not None else None,
    )


def _told_once(options: BatchOptions) -> dict[str, str]:
    env_file = {"--env-file": options.env_file} if options.env_file is not None else {}
    return {**env_file, **options.mocks.given()}


def _mode(options: BatchOptions, target: Target, settings: Settings) -> Mode:
    default = target.mode if options.mode is not None else settings.text("mode") or target.mode
    return resolve_mode({}, options.mode, default)


def _unsaid(options: BatchOptions, mode: Mode, target: Target, settings: Settings) -> str | None:
    """A line on a batch that is real although nobody said so in this call; None for any other."""
    if is_mock(mode) or options.mode == "real":
        return None
    named = settings.value("mode")
    return f"real mode, as {named.source if named else f'the {target.runtime} instance'} says: a vendor is asked"


def _maker(
    options: BatchOptions, target: Target, settings: Settings, manifest: Any, mode: Mode, source: Source
) -> RequestMaker:
    given = parse_options(options.options, manifest.inputs)
    if options.model is not None:
        given["model"] = options.model
    has_model = "model" in manifest.inputs.get("properties", {})
    timeout = settings.value("timeout") if options.timeout is None else None
    return RequestMaker(
        config=provider_config(
            manifest,
            runtime=target.runtime,
            mode=mode,
            mocks=options.mocks,
            env_file=options.env_file,
            with_secrets=not is_mock(mode) and not target.has_secrets,
        ),
        mode=mode,
        folder=source.folder,
        max_attachment=options.max_attachment,
        given=given,
        model=settings.text("model") if has_model else None,
        timeout=parse_timeout(timeout.text, timeout.source) if timeout else options.timeout,
        overrides=options.mode is not None,
    )


def _is_stream(out: str) -> bool:
    return out in NAMES or out == "/dev/stdout"


def _file(options: BatchOptions, form: RowFormat, source: Source, opened: ExitStack) -> OutputFile | None:
    """The file of rows, with what is in it; None where they go to standard output. Raises UsageError."""
    if _is_stream(options.out):
        return None
    file = opened.enter_context(OutputFile(options.out, form))
    if file.identity == source.identity:
        message = f"{options.out} holds the lines, and the rows would be written into it"
        raise UsageError(message, hint=again("give another file with --out", out=f"{options.out}.out"))
    if options.retry_failed:
        file.drop_failed()
    return file
