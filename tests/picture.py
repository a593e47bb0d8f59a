"""The picture on the first screen of README.md: a terminal with real runs of the mock, for light and dark pages.

A test compares the bytes, so each port, process id and duration is replaced by a fixed one.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

COLUMNS = 80
COMMANDS = (
    'theoryctl local run "Say hello in one word."',
    "theoryctl local start --ref llm/litellm@1 --runtime process",
    'theoryctl local run "Say hello in one word."',
    "theoryctl local stop --ref llm/litellm@1",
)
#: What differs each time, and what stands for it.
_SAME = {
    r"127\.0\.0\.1:\d+": "127.0.0.1:8000",
    r"(?<=pid      )\d+": "4242",
    r" · after [\d.]+ s of waiting": "",  # told by a machine that is busy
    r"\b[\d.]+ m?s(?=\x1b)": "12 ms",
}

#: The eight colours of ANSI do not occur in what is shown: theoryctl takes its colours from the 256 (rich_markdown.py).
_ANSI = [(118, 118, 118)] * 8
_THEMES = {
    "light": TerminalTheme((255, 255, 255), (31, 35, 40), _ANSI),
    # Black, for the grey of notes has a contrast of 4.5 on white and on black.
    "dark": TerminalTheme((0, 0, 0), (230, 237, 243), _ANSI),
}
# Rich's own format fetches a font from a host, which no browser does for an <img>.
_FORMAT = """\
<svg class="terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.terminal > rect {{ stroke: #8c959f }}
.{unique_id}-matrix {{
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace;
  font-size: {char_height}px;
}}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def picture(theme: str) -> str:
    """Return the SVG of a theme, `light` or `dark`."""
    console = Console(file=StringIO(), width=COLUMNS, record=True, force_terminal=True, highlight=False)
    console.print(shown(), end="")
    svg = console.export_svg(title="", theme=_THEMES[theme], code_format=_FORMAT, unique_id=theme)
    return "\n".join(line.strip() for line in svg.splitlines() if line.strip()).replace("><text", ">\n<text") + "\n"


@cache
def shown() -> Text:
    """Run the commands in an empty folder, and return what a terminal shows of them."""
    with TemporaryDirectory() as home:
        parts = [part for command in COMMANDS for part in (Text(f"$ {command}\n", "bold"), _printed(command, home))]
    text = Text.assemble(*parts)
    text.rstrip()
    return text


def _printed(command: str, home: str) -> Text:
    """The output of a command on both streams, in its order."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=home,
        env={"PATH": path, "HOME": home, "TERM": "xterm-256color", "FORCE_COLOR": "1", "COLUMNS": str(COLUMNS)},
        timeout=60,
        check=True,
    )
    text = done.stdout
    for pattern, instead in _SAME.items():
        text = re.sub(pattern, instead, text)
    return Text.from_ansi(text + "\n")
