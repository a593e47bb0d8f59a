"""`theoryctl explain`: the cause and the cure of an error code."""

from __future__ import annotations

from typing import Annotated

import typer

from theoryctl.cli.command import command, make_app

app = make_app("explain", "Explain an error code: its cause and its cure.")

Code = Annotated[str | None, typer.Argument(metavar="CODE", help="An error code, such as ERR_DOCKER.")]


@command(app, "explain", examples="theoryctl explain ERR_DOCKER\ntheoryctl explain")
def explain(ctx: typer.Context, code: Code = None) -> None:
    """Explain an error code: its cause and its cure.

    Without a code it lists all of them. The same stands in docs/troubleshooting.md.
    """
    from theoryctl.actions.explain import error_codes, explain

    ctx.obj.emit(error_codes() if code is None else explain(code))
