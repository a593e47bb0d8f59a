"""The flags that every command and group has: `--json`, `--debug`, `--quiet`, `--no-color`."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from typer.core import TyperOption

SHARED = JSON_FLAG, DEBUG_FLAG, QUIET_FLAG, NO_COLOR_FLAG = "--json", "--debug", "--quiet", "--no-color"


def settle(ctx: Any) -> None:
    """Tell the terminal which of the shared flags the command line has, as far as it is parsed."""
    ctx.obj.settle(**wanted(ctx.meta))


def wanted(flags: Container[str]) -> dict[str, bool]:
    """The settings of a terminal that flags ask for."""
    return {
        "json_output": JSON_FLAG in flags,
        "debug": DEBUG_FLAG in flags,
        "quiet": QUIET_FLAG in flags,
        "colour": NO_COLOR_FLAG not in flags,
    }


def shared_flags(*, hidden: bool = False) -> list[TyperOption]:
    """The flags as parameters of a command or a group; new ones, for each notes what it was given."""
    texts = {
        JSON_FLAG: "Print the result as JSON on standard output.",
        QUIET_FLAG: "Leave out notes and progress; errors stay.",
        NO_COLOR_FLAG: "Use no colours, as with NO_COLOR.",
        DEBUG_FLAG: "Show tracebacks and debug messages on standard error.",
    }
    fixed: dict[str, Any] = {"is_flag": True, "default": False, "expose_value": False, "hidden": hidden}
    # Eager: known to the callbacks of other options, such as --version.
    fixed |= {"is_eager": True, "callback": _noted}
    return [TyperOption(param_decls=[name], help=text, **fixed) for name, text in texts.items()]


def _noted(ctx: Any, param: Any, value: bool) -> None:
    """Note a flag in what the contexts of a command and of its groups share."""
    if value:
        ctx.meta[param.opts[0]] = value
