"""Standard error: notes, hints and errors for people."""

from __future__ import annotations

import sys

from theoryctl.terminal.streams import console, is_rich
from theoryctl.terminal.text import printable
from theoryctl_providers.contract import ErrorInfo


def note(text: str) -> None:
    """Write a line for people."""
    _tell((text, "dim"))


def error(failure: ErrorInfo) -> None:
    """Write a failure: its code, its message, and below them its hint."""
    hint = f"\n hint: {failure['hint']}" if failure["hint"] else ""
    _tell(("error ", "bold red"), (failure["code"], "red"), (f": {failure['message']}", ""), (hint, "cyan"))


def _tell(*parts: tuple[str, str]) -> None:
    """Write parts of one text, each with its style."""
    safe = [(printable(text), style) for text, style in parts]
    if is_rich(sys.stderr):
        from rich.text import Text

        console(sys.stderr).print(Text.assemble(*safe), soft_wrap=True)
    else:
        sys.stderr.write("".join(text for text, _ in safe) + "\n")
