"""Standard error: notes, hints and errors for people."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from theoryctl.hints import PROGRAM
from theoryctl.terminal.streams import WANTED, console, is_rich
from theoryctl.terminal.text import printable, wrapped

if TYPE_CHECKING:
    from theoryctl_providers.contract import ErrorInfo

#: Of xterm's 256 colours, with a contrast of 4.5 with white and with black alike: the palette's own 16 have none.
_GREY, _RED = "color(243)", "color(131)"


def note(text: str) -> None:
    """Write a line for people, unless they want quiet. A terminal breaks it at words, but for a command."""
    if WANTED.quiet:
        return
    if is_rich(sys.stderr) and f"{PROGRAM} " not in text:
        text = wrapped(text, console(sys.stderr).width)
    _tell((text, _GREY))


def error(failure: ErrorInfo) -> None:
    """Write a failure: its code, its message, and below them its hint, unwrapped for those who copy it."""
    message = f": {failure['message']}"
    if is_rich(sys.stderr):
        message = wrapped(message, console(sys.stderr).width, len("error ") + len(failure["code"]))
    hint = f"\n hint: {failure['hint']}" if failure["hint"] else ""
    _tell(("error ", f"bold {_RED}"), (failure["code"], "bold"), (message, ""), (hint, "bold"))


def _tell(*parts: tuple[str, str]) -> None:
    """Write parts of one text, each with its style."""
    safe = [(printable(text), style) for text, style in parts]
    if is_rich(sys.stderr):
        from rich.text import Text

        console(sys.stderr).print(Text.assemble(*safe), soft_wrap=True)
    else:
        sys.stderr.write("".join(text for text, _ in safe) + "\n")
