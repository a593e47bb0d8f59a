"""Standard output: the result, and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from theoryctl.terminal.format import bar, paired
from theoryctl.terminal.streams import console, is_rich, is_seen, is_styled
from theoryctl.terminal.text import json_text, printable, printable_cell, wrapped

if TYPE_CHECKING:
    from rich.console import RenderableType

    from theoryctl.terminal.view import Paragraph, Table, View

#: Characters of a whole bar beside a table. A shorter one than the shortest compares nothing, and is left out.
_LONGEST_BAR, _SHORTEST_BAR = 20, 5


def write(text: str, end: str = "\n") -> None:
    """Write text as it is, at once. Raises OutputFailed and ReaderGone, as all that writes here does."""
    sys.stdout.write(text + end)
    sys.stdout.flush()


def say(text: str, end: str = "\n") -> None:
    """Write text; at a terminal with control characters as escapes."""
    write(printable(text) if is_seen(sys.stdout) else text, end)


def document(value: dict[str, Any]) -> None:
    """Write one JSON object: on one line, and at a terminal indented."""
    terminal = sys.stdout.isatty()
    write(json_text(value, indent=2 if terminal else None, plain=not terminal))


def markdown(text: str, style: str = "none") -> None:
    """Write Markdown: rendered at a terminal, in a style of rich's, else as it is."""
    if is_rich(sys.stdout):
        from theoryctl.terminal.rich_layout import markdown

        _show(markdown(text, style))
    else:
        say(text)


def reasoning(text: str) -> None:
    """Write what a model said to itself, above its answer: dimmed, or between lines that say what it is."""
    say_before_reasoning()
    markdown(text, "dim")
    say(after_reasoning())


def say_before_reasoning() -> None:
    """Write the line above reasoning where a terminal shows no styles."""
    if not is_styled(sys.stdout):
        say("--- reasoning ---")


def after_reasoning() -> str:
    """The line below reasoning."""
    return "" if is_styled(sys.stdout) else "--- end of reasoning ---"


def json_value(value: Any) -> None:
    """Write a JSON value, indented, at a terminal in colours."""
    text = json_text(value, indent=2, plain=not is_seen(sys.stdout))
    if is_rich(sys.stdout):
        from theoryctl.terminal.rich_layout import code

        _show(code(text, "json"))
    else:
        say(text)


def view(shown: View) -> None:
    """Write what a view says on standard output."""
    from theoryctl.terminal.view import Document, Facts, Lines, Table

    match shown:
        case Lines():
            say("\n".join(map(_line, shown.lines)))
        case Facts():
            _facts(shown.pairs)
        case Table():
            _rows(shown)
        case Document():
            json_value(shown.value)


def _line(line: str | Paragraph) -> str:
    """A line; a paragraph at a terminal on as many as it takes."""
    if isinstance(line, str):
        return line
    if not is_rich(sys.stdout):
        return line.label + line.text
    width = max(1, console(sys.stdout).width - line.begin)
    text = wrapped(printable(line.text), width, len(line.label) - line.begin)
    return line.label + text.replace("\n", "\n" + " " * line.begin)


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, folds: bool = True) -> None:
    """Lay a table out for a terminal; as facts, row by row, where it is too wide, and may not fold or not so
    far."""
    from theoryctl.terminal.rich_layout import fits, shrinks, table

    laid_out = table(header, rows)
    enough = shrinks if folds else fits
    if enough(console(sys.stdout), laid_out):
        _show(laid_out)
    else:  # a column of half words helps nobody
        say("\n\n".join(_block(header, row) for row in rows))


def _block(header: tuple[str, ...], row: tuple[str, ...]) -> str:
    """A row as facts, without the empty cells; a value that is too wide goes on below itself, and no word is broken."""
    begin = max(map(len, header)) + 2
    width = max(1, console(sys.stdout).width - begin)
    below = "\n" + " " * begin
    values = [wrapped(printable_cell(cell), width).replace("\n", below) for cell in row]
    return "\n".join(paired([pair for pair in zip(header, values, strict=True) if pair[1]]))


def _rows(shown: Table) -> None:
    """A table at a terminal; through a pipe a line a row, cells apart by tabs."""
    if not shown.rows:
        return
    if is_rich(sys.stdout):
        _laid_out(shown)
    else:
        say("\n".join("\t".join(map(printable_cell, row)) for row in shown.rows))


def _laid_out(shown: Table) -> None:
    """A table at a terminal; where it does not fit, nor may fold, the narrow one, as long as there is one."""
    from theoryctl.terminal.rich_layout import fits, shrinks
    from theoryctl.terminal.rich_layout import table as wide

    while shown.narrow is not None:
        enough = shrinks if shown.folds else fits
        if enough(console(sys.stdout), wide(shown.header, shown.rows)):
            break
        shown = shown.narrow
    table(*_with_bars(shown), folds=shown.folds)


def _with_bars(shown: Table) -> tuple[tuple[str, ...], Sequence[tuple[str, ...]]]:
    """The header and rows of a table, with a column of bars where it has some, and the terminal has room for them."""
    if not any(shown.bars):
        return shown.header, shown.rows
    from theoryctl.terminal.rich_layout import room, table

    length = min(_LONGEST_BAR, room(console(sys.stdout), table((*shown.header, ""), shown.rows)))
    if length < _SHORTEST_BAR:
        return shown.header, shown.rows
    drawn = [bar(value / max(shown.bars), length) for value in shown.bars]
    rest = [""] * (len(shown.rows) - len(drawn))
    return (*shown.header, ""), [(*row, cell) for row, cell in zip(shown.rows, drawn + rest, strict=True)]


def _facts(pairs: Sequence[tuple[str, str]]) -> None:
    if is_rich(sys.stdout):
        from theoryctl.terminal.rich_layout import facts

        _show(facts(pairs))
    else:
        say("\n".join(paired(pairs)))


def _show(renderable: RenderableType) -> None:
    from theoryctl.terminal.rich_layout import rendered

    target = console(sys.stdout)
    target.print(rendered(target, renderable), crop=False)  # a line of code may be longer than the terminal's
