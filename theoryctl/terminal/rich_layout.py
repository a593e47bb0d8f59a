"""Layouts by rich, for a terminal. Imported only when one is shown: rich costs as much as a mock run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TextIO

from rich import box
from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.segment import Segment, Segments
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

from theoryctl.terminal.rich_markdown import READABLE, CopyableMarkdown, highlighted
from theoryctl.terminal.text import printable, printable_cell

#: Columns whose cells are words to be typed again: a part of one is of no use.
_WHOLE = ("ref", "setting", "run", "model", "cost", "code", "get a key")


def make_console(stream: TextIO, *, colour: bool) -> Console:
    """Rich's console for a stream that gets layout, with or without colours; one a stream.

    What is written while a spinner moves has to go through the console of the spinner, which makes room for it. Until
    its end rich has another object in the place of the stream (rich.file_proxy).
    """
    return _console(getattr(stream, "rich_proxied_file", stream), colour)


@lru_cache(maxsize=2)
def _console(stream: TextIO, colour: bool) -> Console:
    return Console(
        file=stream,
        force_terminal=True,
        # Whatever TERM says: of a `screen` or `xterm` rich knows 16 colours only, which look as their owner made them.
        color_system="256" if colour else None,
        theme=Theme(READABLE),
        highlight=False,
    )


def markdown(text: str, style: str = "none") -> CopyableMarkdown:
    """Markdown that cannot make the terminal do anything."""
    return CopyableMarkdown(printable(text), style=style)


def code(text: str, language: str) -> Text:
    """Text in colours."""
    return highlighted(printable(text), language)


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Table:
    """A table that folds what is too wide for its column, but for refs."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), header_style="bold")
    for name in header:
        table.add_column(name, no_wrap=name in _WHOLE)
    for row in rows:
        table.add_row(*(Text(printable_cell(cell), overflow="fold") for cell in row))
    return table


def facts(pairs: Sequence[tuple[str, str]]) -> Table:
    """Names and their values, a row each; a value that is too wide goes on below itself."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        grid.add_row(Text(printable_cell(name)), Text(printable_cell(value), overflow="fold"))
    return grid


def fits(console: Console, renderable: RenderableType) -> bool:
    """Tell whether something fits the terminal without being folded."""
    return _measured(console, renderable).maximum <= console.width


def shrinks(console: Console, table: Table) -> bool:
    """Tell whether a table fits the terminal without a ref being cut."""
    return _measured(console, table).minimum <= console.width


def room(console: Console, table: Table) -> int:
    """The columns of the terminal that a table which is not folded leaves free; below 0, those that it lacks."""
    return console.width - _measured(console, table).maximum


def _measured(console: Console, renderable: RenderableType) -> Measurement:
    """The widths of something, however narrow the terminal is."""
    return console.measure(renderable, options=console.options.update_width(10_000))


def rendered(console: Console, renderable: RenderableType) -> Segments:
    """Render something so that the terminal obeys its styles, and nothing in its text, and no line is padded."""
    # Made printable once more, for rich's Markdown decodes the %1B of a link.
    parts = console.render(renderable)
    safe = (Segment(part.text if part.control else printable(part.text), *part[1:]) for part in parts)
    lines = (part for line in Segment.split_lines(safe) for part in (*_trimmed(line), Segment.line()))
    return Segments(lines)


def _trimmed(line: list[Segment]) -> list[Segment]:
    """A line without the blanks at its end."""
    while line and not line[-1].control and not line[-1].text.rstrip(" "):
        line = line[:-1]
    if not line or line[-1].control:
        return line
    return [*line[:-1], Segment(line[-1].text.rstrip(" "), line[-1].style)]
