"""`theoryctl local batch`: many requests to providers on this machine."""

from __future__ import annotations

import typer

from theoryctl.cli.batch_flags import BatchFlags, BatchSource, VendorBatchFlag, run_batch
from theoryctl.cli.command import RefOption, command, make_app
from theoryctl.cli.flags import with_flags
from theoryctl.cli.options import EnvFile, InstanceName, RecordMissing, RunRuntime

#: `theoryctl local` takes over its command.
app = make_app("batch", "")


@command(
    app,
    "batch",
    examples="""\
theoryctl local batch lines.jsonl --out rows.jsonl
theoryctl local batch lines.jsonl --out rows.jsonl --retry-failed --concurrency 64 --rpm 500
theoryctl local batch lines.jsonl --ref llm/litellm@1 --estimate --mode real -m openai/gpt-4o-mini
cat lines.jsonl | theoryctl local batch - --out - --ordered""",
)
@with_flags(BatchFlags)
def batch(
    ctx: typer.Context,
    source: BatchSource,
    ref: RefOption,
    flags: BatchFlags,
    runtime: RunRuntime = None,
    name: InstanceName = None,
    env_file: EnvFile = None,
    vendor_batch: VendorBatchFlag = False,
    record_missing: RecordMissing = None,
) -> None:
    """Send every line of a file, and write a row for each.

    A line is the inputs of one request, or has them under "inputs" with an "id" and paths to "attach", or is a line of
    OpenAI's batches. All lines are checked before the first call. The same command goes on where it was stopped: lines
    that have a row in --out are not asked again.
    """
    from theoryctl.actions import targets
    from theoryctl.refs import ProviderRef

    target = targets.local_target(ProviderRef.parse(ref), runtime, name)
    more = {"env_file": env_file, "vendor_batch": vendor_batch, "record_missing": record_missing}
    run_batch(ctx, ref, source, flags, target, **more)
