"""`theoryctl explain`: the cause and the cure of an error code."""

from __future__ import annotations

from typing import Annotated

import typer

from theoryctl.cli.command import command, make_app

app = make_app("explain", "Explain an error code: its cause and its cure.")

Code = Annotated[str, typer.Argument(metavar="CODE", help="An error code, such as ERR_DOCKER.")]


@command(app, "explain", examples="theoryctl explain ERR_DOCKER")
def explain(ctx: typer.Context, code: Code) -> None:
    """Explain an error code: its cause and its cure.

    The same stands in docs/troubleshooting.md.
    """
    from theoryctl.actions.explain import explain

    ctx.obj.emit(explain(code))
