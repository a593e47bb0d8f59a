"""A batch: many requests from a file of lines, sent to one place, and a row for each."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, NoReturn

from theoryctl.actions.asked import notes
from theoryctl.actions.batch_engine import ModalEngine, engine_of, fitting, forget_taken, send_all
from theoryctl.actions.batch_plan import BatchOptions, Listener, Setting, plan_of, setting_of
from theoryctl.actions.kept_batch import keeping
from theoryctl.actions.recordings import recording
from theoryctl.actions.targets import Target
from theoryctl.batch.cost import CostEstimate, CostGuard
from theoryctl.batch.engine import Engine
from theoryctl.batch.failures import Failures
from theoryctl.batch.money import Budget, Cap
from theoryctl.batch.output import Output
from theoryctl.batch.pace import Pace
from theoryctl.batch.plan import Plan
from theoryctl.batch.prices import near_model
from theoryctl.batch.prices import source as prices_source
from theoryctl.batch.run import Batch, Estimate
from theoryctl.batch.stream import OutputStream
from theoryctl.batch.tally import Tally
from theoryctl.batch.tokens import TokenCounter
from theoryctl.errors import Interrupted, UsageError
from theoryctl.hints import again
from theoryctl.results.batch import BatchEstimate, BatchResult
from theoryctl.runtimes.find import EMBEDDED
from theoryctl.settings import Settings
from theoryctl_providers.contract import Script, info_of, install_command, is_mock


def batch(options: BatchOptions, target: Target, listener: Listener) -> BatchResult:
    """Ask every line, and return the count. All lines are checked before the first call.

    Raises TheoryctlError for what is wrong before there is a call, and OutputFailed where rows cannot be written. What
    stops the batch later, Ctrl-C too, is in the result.
    """
    with ExitStack() as opened:
        setting = setting_of(options, target, opened)
        listener = keeping(listener, setting.mode, options.mocks.given(), opened)
        listener = recording(listener, setting.maker.config.tape, options.mocks, opened)
        guard = _guard(options, setting)
        others = _others(setting, listener)
        is_limited = bool(guard.most is not None or others)
        if options.detach and is_limited:
            _refuse_budgets()
        plan = plan_of(setting, options, target, guard.look if is_limited else None)
        guard.check(plan)
        budgets = [*_caps(guard, plan), *others]
        for note in notes(options, target, Settings(), setting.maker.config):
            listener.tell(note)
        engine = engine_of(options, setting, target, opened)
        listener.tell(engine.where)
        if outdated := target.outdated(setting.found):
            listener.tell(outdated)
        options = fitting(options, engine, listener.tell)
        output = setting.file or opened.enter_context(_stream(options, plan, listener))
        priced = guard.estimate if budgets or options.tpm else None
        running = running_of(options, setting, plan, engine, output, listener, budgets=budgets, estimate=priced)
        if options.detach:
            return replace(result_of(options, running), detached=send_all(engine, plan))
        run_all(running, options, listener)
        if running.error is None:
            forget_taken(engine)
            if setting.file is not None:
                setting.file.keep()
        script = setting.maker.config.script if target.runtime == EMBEDDED and not plan.resumed else None
        return result_of(options, running, script)


def estimate(options: BatchOptions, target: Target) -> BatchEstimate:
    """Check every line, and return what asking them in real mode may cost. Nothing is asked, and no key is needed.

    Raises TheoryctlError.
    """
    with ExitStack() as opened:
        setting = setting_of(options, target, opened, asks=False)
        sums = CostEstimate(setting.maker.config.default_model, TokenCounter(), options.vendor_batch)
        plan = plan_of(setting, options, target, sums.look, asks=False)
        return BatchEstimate(
            lines=sums.lines,
            resumed=plan.resumed,
            invalid=plan.invalid,
            input_tokens=(sums.input[0], sums.input[1]),
            output_tokens=sums.output_tokens,
            cost_usd=sums.cost_usd,
            unpriced=dict(sums.unpriced),
            near={model: near for model in sums.unpriced if (near := near_model(model))},
            source=prices_source(),
            install=None if prices_source() else install_command("litellm"),
            assumed=dict(sums.assumed),
        )


def _stream(options: BatchOptions, plan: Plan, listener: Listener) -> OutputStream:
    return OutputStream(listener.write, plan.rows_to_come() if options.ordered else None)


def _guard(options: BatchOptions, setting: Setting) -> CostGuard:
    is_free = is_mock(setting.mode)
    return CostGuard(
        setting.maker.config.default_model,
        None if is_free else options.max_cost,
        setting.earlier.cost_usd,
        options.allow_unknown_price or is_free,
    )


def _caps(guard: CostGuard, plan: Plan) -> list[Budget]:
    if guard.most is None:
        return []
    plan.usd_to_come = guard.usd
    return [Cap(guard.most, guard.spent, to_come=lambda: plan.usd_to_come)]


def _others(setting: Setting, listener: Listener) -> tuple[Budget, ...]:
    return () if is_mock(setting.mode) else listener.budgets


def _refuse_budgets() -> NoReturn:
    """Refuse to leave calls to Modal that have to fit into a budget, which only somebody who waits can count."""
    raise UsageError("--detach: nobody counts the budget of the day meanwhile", hint=again("wait", detach=None))


def running_of(
    options: BatchOptions,
    setting: Setting,
    plan: Plan,
    engine: Engine,
    output: Output,
    listener: Listener,
    *,
    budgets: list[Budget] | None = None,
    estimate: Estimate | None = None,
    judge: type[Failures] = Failures,
) -> Batch:
    """Return a batch that is ready to run. `judge` says what becomes of failures."""
    pace = Pace(options.concurrency, options.rpm, options.tpm)
    tally = Tally(asked=plan.asked)
    return Batch(
        plan=plan,
        engine=engine,
        output=output,
        form=setting.form,
        pace=pace,
        failures=judge(pace, tally.asked),
        tally=tally,
        budgets=budgets or [],
        estimate=estimate,
        results=listener.results,
        watch=listener.watch,
        tell=listener.tell,
        finishes=not isinstance(engine, ModalEngine),  # Modal keeps what it was sent
    )


def run_all(running: Batch, options: BatchOptions, listener: Listener) -> None:
    """Ask all lines; Ctrl-C ends it, and is the batch's error then."""
    try:
        with _interruptible(running, listener):
            running.run(ordered=options.ordered)
    except KeyboardInterrupt:
        running.error = Interrupted("interrupted: what was in flight was given up", hint=again("run it again"))
        running.finish(ordered=options.ordered)


@contextmanager
def _interruptible(running: Batch, listener: Listener) -> Iterator[None]:
    """Let the first Ctrl-C end the batch once what is in flight has come, and the second at once."""

    def interrupted(*_: Any) -> None:
        if running.error is not None:
            raise KeyboardInterrupt
        running.stop()
        listener.tell(f"interrupted: finishing {running.tally.in_flight} in flight first; Ctrl-C again ends at once")

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def result_of(options: BatchOptions, running: Batch, script: Script | None = None) -> BatchResult:
    """Return the count of a batch that has run; of a `script` that answered all of it, its unused rules too."""
    plan, tally = running.plan, running.tally
    return BatchResult(
        out=None if options.is_streamed else options.out,
        lines=plan.lines,
        invalid=plan.invalid,
        resumed=plan.resumed,
        failed_before=running.output.earlier.failures,
        copied=tally.copied,
        failed_copies=tally.failed_copies,
        ok=tally.ok,
        failed=dict(sorted(tally.failed.items())),
        left=tally.asked - tally.done,
        retried=tally.retried,
        **tally.sums(running.output.earlier),
        latency_ms=tally.percentiles(),
        seconds=tally.seconds,
        allowed=options.allow_failures.of(plan.lines - plan.invalid),
        unused_rules=() if script is None else tuple(script.unused),
        strict=script is not None and bool(script.document.strict),
        error=None if running.error is None else info_of(running.error),
    )
