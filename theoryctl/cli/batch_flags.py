"""The flags of every `batch` as one value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from theoryctl.cli import options as opt
from theoryctl.cli.command import ManifestsOption

if TYPE_CHECKING:
    from theoryctl.actions.batch_plan import Allowed, BatchOptions
    from theoryctl.actions.batch_report import Ask
    from theoryctl.actions.targets import Target
    from theoryctl.results.batch import BatchResult

BatchSource = Annotated[
    str, typer.Argument(metavar="LINES", help="The lines: a file of one JSON object per line, or - for standard input.")
]
Out = Annotated[
    str | None,
    typer.Option(
        "--out", metavar="PATH", help="Write the rows to this file, or - for standard output; resumed from the file."
    ),
]
Form = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="theoryctl|openai",
        help="The format of the rows: theoryctl.batch/v1, or OpenAI's batch output.",
    ),
]
Ordered = Annotated[bool, typer.Option("--ordered", help="Keep the order of the lines; else rows come as answers do.")]
SkipInvalid = Annotated[bool, typer.Option("--skip-invalid", help="Leave out lines that are not valid.")]
NoDedupe = Annotated[bool, typer.Option("--no-dedupe", help="Ask each of several equal lines.")]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Ask the lines again whose rows have an error.")]
Concurrency = Annotated[
    int, typer.Option("--concurrency", "-c", metavar="N", min=1, max=4096, help="The most calls at the same time.")
]
Rpm = Annotated[
    float | None, typer.Option("--rpm", metavar="N", min=0.001, help="The most calls per minute. [default: no limit]")
]
Tpm = Annotated[
    float | None, typer.Option("--tpm", metavar="N", min=1, help="The most tokens per minute. [default: no limit]")
]
Estimate = Annotated[
    bool, typer.Option("--estimate", help="Say what real mode may cost, at least and at most, and ask nothing.")
]
MaxCost = Annotated[
    float | None,
    typer.Option(
        "--max-cost",
        metavar="USD",
        min=0,
        help="Stop before the rows in --out cost more; a call counts with the most that it can cost.",
    ),
]
AllowUnknownPrice = Annotated[
    bool, typer.Option("--allow-unknown-price", help="With --max-cost: also ask models of unknown price.")
]
AllowFailures = Annotated[
    str,
    typer.Option(
        "--allow-failures",
        metavar="N|N%",
        help="Exit with 0 if at most so many lines fail: a number, or a share such as 2%.",
    ),
]

Report = Annotated[
    str | None, typer.Option("--report", metavar="PATH", help="Write a page with plots about the rows in --out.")
]
VendorBatchFlag = Annotated[
    bool,
    typer.Option(
        "--vendor-batch",
        help="Leave the lines to OpenAI's or Anthropic's own batches, at half the price; run it again for the rows.",
    ),
]


class BatchFlags(NamedTuple):
    """The flags of every `batch`, on this machine and on Modal."""

    out: Out = None
    mode: opt.ModeOption = None
    model: opt.Model = None
    option: opt.InputOption = None
    form: Form = "theoryctl"
    ordered: Ordered = False
    skip_invalid: SkipInvalid = False
    no_dedupe: NoDedupe = False
    retry_failed: RetryFailed = False
    concurrency: Concurrency = 16
    rpm: Rpm = None
    tpm: Tpm = None
    estimate: Estimate = False
    max_cost: MaxCost = None
    allow_unknown_price: AllowUnknownPrice = False
    allow_failures: AllowFailures = "0"
    max_attachment: opt.MaxAttachment = opt.DEFAULT_MAX_ATTACHMENT
    timeout: opt.Timeout = None
    script: opt.ScriptFile = None
    replay: opt.ReplayDir = None
    report: Report = None
    tools: opt.Tools = None
    mock_version: opt.MockVersion = None
    manifests: ManifestsOption = None


def run_batch(
    ctx: typer.Context, ref: str, source: str, flags: BatchFlags, target: Target, **more: Any
) -> BatchResult | None:
    """Run the batch that the flags say, show the result and return it; None where it is only estimated.

    `more` are options of one command alone. Raises TheoryctlError.
    """
    from theoryctl.actions.batch import estimate
    from theoryctl.actions.batch_plan import Listener
    from theoryctl.actions.batch_report import with_report

    options = _options(ctx, ref, source, flags, more)
    if flags.estimate:
        with inputs_hinted(ctx):
            ctx.obj.emit(estimate(options, target))
        return None
    display = ctx.obj.watch_batch()
    try:
        listener = Listener(display.tell, display.watch, ctx.obj.write_rows)
        with inputs_hinted(ctx):
            result = with_report(_ask(options), options, target, listener)
    finally:
        display.end()
    emit(result, ctx, target.runtime)
    return result


@contextmanager
def inputs_hinted(ctx: typer.Context) -> Iterator[None]:
    """Let the hint of an error about inputs be the command that was typed, corrected."""
    from theoryctl_providers.contract import ProviderError

    try:
        yield
    except ProviderError as error:
        from theoryctl.cli.hints import of_inputs

        error.hint = of_inputs(error, ctx)
        raise


def _ask(options: BatchOptions) -> Ask:
    """The action that asks the lines, one by one or by the vendor's batches."""
    if options.vendor_batch:
        from theoryctl.actions.vendor_batch import vendor_batch

        return vendor_batch
    from theoryctl.actions.batch import batch

    return batch


def emit(result: BatchResult, ctx: typer.Context, runtime: str | None = None) -> None:
    """Show the result of a batch, which was asked in a `runtime`; one that was stopped says what to type next."""
    from dataclasses import replace

    from theoryctl.cli.hints import of_stop

    if result.error is not None:
        result = replace(result, error={**result.error, "hint": of_stop(result.error, ctx, runtime)})
    ctx.obj.emit_batch(result)


def _options(ctx: typer.Context, ref: str, source: str, flags: BatchFlags, more: dict[str, Any]) -> BatchOptions:
    from theoryctl.actions.batch_plan import BatchOptions
    from theoryctl.actions.run import checked_mode
    from theoryctl.refs import ProviderRef
    from theoryctl.requests.attachments import parse_size
    from theoryctl.requests.mock_flags import MockFlags
    from theoryctl.requests.standard_input import StandardInput
    from theoryctl.units import parse_timeout

    standard_input = ctx.meta[opt.STANDARD_INPUT] = StandardInput(ctx.obj.note)
    return BatchOptions(
        ref=ProviderRef.parse(ref),
        source=source,
        out=_out(flags, source),
        max_attachment=parse_size(flags.max_attachment),
        model=flags.model,
        options=tuple(flags.option or ()),
        mode=checked_mode(flags.mode),
        form=flags.form,
        ordered=flags.ordered,
        dedupe=not flags.no_dedupe,
        skip_invalid=flags.skip_invalid,
        retry_failed=flags.retry_failed,
        concurrency=flags.concurrency,
        rpm=flags.rpm,
        tpm=flags.tpm,
        max_cost=flags.max_cost,
        allow_unknown_price=flags.allow_unknown_price,
        allow_failures=allowed(flags.allow_failures),
        timeout=parse_timeout(flags.timeout) if flags.timeout is not None else None,
        manifests=flags.manifests,
        report=flags.report,
        mocks=MockFlags(
            script=tuple(flags.script or ()),
            replay=flags.replay,
            tools=flags.tools,
            record_missing=more.pop("record_missing", None),
            mock_version=flags.mock_version,
        ),
        standard_input=standard_input,
        **more,
    )


def check_detached(flags: BatchFlags) -> None:
    """Raise UsageError for a flag that only somebody who waits can keep to."""
    from theoryctl.errors import UsageError
    from theoryctl.hints import again

    for name in ("max_cost", "rpm", "tpm", "estimate", "report"):
        if getattr(flags, name):
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(f"{flag}: nobody counts what a detached batch does", hint=again("wait", detach=None))
    if flags.out in ("-", "/dev/stdout"):
        raise UsageError("--detach: expected a file in --out", hint=again("name one", out="rows.jsonl"))


def _out(flags: BatchFlags, source: str) -> str | None:
    from theoryctl.errors import UsageError
    from theoryctl.hints import again

    if flags.out is not None or flags.estimate:
        return flags.out
    message = "expected a file for the rows, got none"
    options = flags.option or []
    if files := [option for option in options if "=" not in option]:  # -o is the output of many programs
        rest = [option for option in options if "=" in option]
        raise UsageError(message, hint=again("name it with --out", out=files[0], option=rest))
    name = "rows.jsonl" if source == "-" else f"{source.removesuffix('.jsonl')}.rows.jsonl"
    raise UsageError(message, hint=again("name it with --out", out=name))


def allowed(text: str) -> Allowed:
    """Read `--allow-failures`. Raises UsageError."""
    from theoryctl.actions.batch_plan import Allowed
    from theoryctl.errors import UsageError
    from theoryctl.hints import again

    found = re.fullmatch(r"(\d{1,9}(\.\d{1,6})?)(%?)", text.strip(), re.ASCII)
    number = float(found[1]) if found else -1.0
    if found is None or (found[3] and number > 100) or (found[2] and not found[3]):
        message = f"--allow-failures: expected a number of lines, or a share such as 2%, got {text!r:.100}"
        share = again(f"write {text}%", allow_failures=f"{text.strip()}%") if 0 <= number <= 100 else None
        raise UsageError(message, hint=share or "write it as 10, or as 2%")
    return Allowed(number / 100, is_share=True) if found[3] else Allowed(number)
