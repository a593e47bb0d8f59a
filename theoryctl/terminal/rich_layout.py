"""Layouts by rich, for a terminal. Imported only when one is shown: rich costs as much as a mock run."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console, RenderableType
from rich.markdown import Markdown
from rich.segment import Segment, Segments
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from theoryctl.terminal.text import printable, printable_cell


def markdown(text: str, style: str = "none") -> Markdown:
    """Markdown that cannot make the terminal do anything."""
    return Markdown(printable(text), style=style)


def code(text: str, language: str) -> Syntax:
    """Text in colours. ANSI's follow the terminal's own palette, dark or light."""
    return Syntax(printable(text), language, theme="ansi_dark", background_color="default", word_wrap=True)


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Table:
    """A table that folds what is too wide for its column."""
    table = Table(*header, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), header_style="bold")
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
    wide = console.options.update_width(10_000)
    return console.measure(renderable, options=wide).maximum <= console.width


def rendered(console: Console, renderable: RenderableType) -> Segments:
    """Render something so that the terminal obeys its styles, and nothing in its text."""
    # Made printable once more, for rich's Markdown decodes the %1B of a link.
    parts = console.render(renderable)
    return Segments(Segment(part.text if part.control else printable(part.text), *part[1:]) for part in parts)
