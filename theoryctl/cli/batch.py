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


@command(app, "status", examples="theoryctl batch status\ntheoryctl batch status --json")
def status(ctx: typer.Context, rows: Rows = None, env_file: EnvFile = None) -> None:
    """Show the batches that vendors have, and how far they are.

    They are those of `local batch --vendor-batch` whose answers were not all collected. The vendors are asked with the
    keys of this shell, or of the env file that the batch was submitted with.
    """
    from theoryctl.actions.vendor_batches import show_batches

    ctx.obj.emit(show_batches(tuple(rows or ()), env_file))


@command(app, "collect", examples="theoryctl batch collect\ntheoryctl batch collect --json")
def collect(ctx: typer.Context, rows: Rows = None, env_file: EnvFile = None) -> None:
    """Write the rows of batches that have ended.

    It needs the file of lines as it was, and submits nothing. The command that submitted collects too.
    """
    from theoryctl.actions.batch_plan import Listener
    from theoryctl.actions.vendor_batches import collect_batches

    display = ctx.obj.watch_batch()
    try:
        listener = Listener(display.tell, display.watch, ctx.obj.write_rows)
        collected = collect_batches(tuple(rows or ()), env_file, listener)
    finally:
        display.end()
    ctx.obj.emit(collected)
