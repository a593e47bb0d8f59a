"""`theoryctl config`: the settings."""

from __future__ import annotations

import typer

from theoryctl.cli.command import command, make_app

app = make_app("config", "Show each setting and where it comes from.")


@command(app, "config", examples="theoryctl config\ntheoryctl config --json", more_words=True)
def config(ctx: typer.Context) -> None:
    """Show each setting and where it comes from.

    A flag counts before a variable, that before theoryctl.toml of the project (in the working folder or above it), and
    that before config.toml of the user, in $XDG_CONFIG_HOME/theoryctl (default ~/.config/theoryctl). A project's file
    may not set mode, ledger and max_cost_per_day, and is read only where its folder is your own.

    Every setting is checked, and a wrong one is an error that names its place.
    """
    from theoryctl.actions.config import refuse_to_set, show_config

    if ctx.args:
        refuse_to_set(ctx.args)
    ctx.obj.emit(show_config())
