"""`theoryctl batch`: batches that were left to vendors."""

from __future__ import annotations

from typing import Annotated

import typer

from theoryctl.cli.command import command, make_app
from theoryctl.cli.options import EnvFile

app = make_app("batch", "Show and collect batches that vendors have.")

Rows = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ROWS]...", help="Files of rows, as --out named them. [default: all of this machine]"),
]


WaitFor = Annotated[
    str | None,
    typer.Option("--wait", metavar="TIME", help="Wait until the batches have ended, at most so long, as 90s or 2h."),
]


@command(app, "status", examples="theoryctl batch status\ntheoryctl batch status --json")
def status(ctx: typer.Context, rows: Rows = None, env_file: EnvFile = None) -> None:
    """Show the batches that vendors have, and how far they are.

    They are those of `local batch --vendor-batch` whose answers were not all collected. The vendors are asked with the
    keys of this shell, or of the env file that the batch was submitted with.
    """
    from theoryctl.actions.vendor_batches import show_batches

    ctx.obj.emit(show_batches(tuple(rows or ()), env_file))


@command(app, "collect", examples="theoryctl batch collect\ntheoryctl batch collect --wait 2h")
def collect(ctx: typer.Context, rows: Rows = None, wait: WaitFor = None, env_file: EnvFile = None) -> None:
    """Write the rows of batches that have ended.

    It needs the file of lines as it was, and submits nothing. The command that submitted collects too. With --wait the
    rows of a file are written once all its batches have ended. Where the time is up before, those that have ended are
    collected, and the status is 124.
    """
    from theoryctl.actions.batch_plan import Listener
    from theoryctl.actions.vendor_batches import collect_batches
    from theoryctl.actions.vendor_wait import Wait
    from theoryctl.units import parse_timeout

    waiting = None if wait is None else Wait(parse_timeout(wait, "--wait"), ctx.obj.progress)
    display = ctx.obj.watch_batch()
    try:
        listener = Listener(display.tell, display.watch, ctx.obj.write_rows)
        collected = collect_batches(tuple(rows or ()), env_file, listener, waiting)
    finally:
        ctx.obj.progress.calm()
        display.end()
    ctx.obj.emit(collected)
