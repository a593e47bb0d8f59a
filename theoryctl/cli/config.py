"""`theoryctl config`: the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from theoryctl.cli.command import command, make_app

if TYPE_CHECKING:
    from theoryctl.results.settings import SettingsShown

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
    ctx.obj.emit(_without_keys(show_config()))


def _without_keys(shown: SettingsShown) -> SettingsShown:
    """Cover keys that stand where a setting belongs."""
    from dataclasses import replace

    from theoryctl.cli.secret_words import covered

    rows = (row if row.value is None else replace(row, value=covered(row.value, (row.value,))) for row in shown.rows)
    return replace(shown, rows=tuple(rows))
