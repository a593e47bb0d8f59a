"""`theoryctl mocks`: the scripts that mocks answer by."""

from __future__ import annotations

from typing import Annotated

import typer

from theoryctl.cli.command import command, make_app

app = make_app("mocks", "Check the scripts of mocks.")

Files = Annotated[list[str], typer.Argument(metavar="FILE...", help="Scripts, in YAML.")]


@command(
    app, "check", examples="theoryctl mocks check docs/answers.yaml\ntheoryctl mocks check docs/answers.yaml --json"
)
def check(ctx: typer.Context, files: Files) -> None:
    """Check scripts, and report every problem in them.

    Each problem is reported with its line and column: mistakes; rules that never fire, because their conditions
    exclude each other or a rule above answers all that they fit; patterns to ignore that no word matches; and words
    that nearly say something else. The status is 3 unless only such words were found.
    """
    from theoryctl.actions.mocks import check_scripts

    ctx.obj.emit(check_scripts(tuple(files)))
