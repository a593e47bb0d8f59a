"""The root of the command tree. Groups are imported when they are used, so that `--help` costs what it shows."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

import typer

from theoryctl.cli.command import Group, group_of
from theoryctl.cli.shared_flags import settle

#: Each group's module in `theoryctl.cli` has a Typer app of the group's name; the text is its line in `--help`.
GROUPS = {
    "local": "Run providers on this machine.",
    "modal": "Run providers on Modal.",
    "batch": "Show and collect batches that vendors have.",
    "image": "Resolve, build, push, pin and verify images.",
    "manifest": "Show, check and create manifests.",
    "mocks": "Check the scripts of mocks.",
    "recordings": "Compare and prune recorded exchanges.",
    "runs": "Show what was run here, and what it cost.",
}

#: Commands that belong to no group, as above: a module of that name with an app of this one command.
COMMANDS = {
    "models": "List vendors and their keys, or models and prices.",
    "config": "Show each setting and where it comes from.",
    "doctor": "Find problems in this environment, each with its fix.",
    "explain": "Explain an error code: its cause and its cure.",
}

_ALL = {**GROUPS, **COMMANDS}

EXAMPLES = """\
theoryctl local run "Say hello" --mode mock
theoryctl local run --ref llm/litellm@1 --mode mock --prompt "Say hello" --json
theoryctl manifest list"""


class LazyGroups(Group):
    """The groups and lone commands by name, each imported at its first use."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = dict.fromkeys(_ALL)  # type: ignore[assignment]

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_ALL)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in _ALL:
            return None
        group = group_of(import_module(f"theoryctl.cli.{cmd_name}").app)
        return group if cmd_name in GROUPS else group.get_command(ctx, cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_ALL.items()))


app = typer.Typer(
    name="theoryctl",
    cls=LazyGroups,
    help="Run one LLM provider in CI, on a laptop and in the cloud.",
    epilog=EXAMPLES,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(ctx: typer.Context, value: bool) -> None:
    if value:
        settle(ctx)
        ctx.obj.show_version()
        raise typer.Exit()


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_show_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """Run one LLM provider in CI, on a laptop and in the cloud."""
