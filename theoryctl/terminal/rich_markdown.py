"""Markdown for a terminal, laid out so that what is copied from it is what was written."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, repeat
from typing import ClassVar

from pygments.token import (  # type: ignore[import-untyped]
    Comment,
    Error,
    Generic,
    Keyword,
    Name,
    Number,
    String,
    Token,
)
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import BlockQuote, CodeBlock, ListItem, Markdown, MarkdownElement
from rich.segment import Segment
from rich.style import Style
from rich.syntax import ANSISyntaxTheme, Syntax
from rich.text import Text

#: The colours of xterm's 256 that have a contrast of 4.5 with white and with black alike (WCAG 2.2, 1.4.3).
GREEN, BLUE, PURPLE, RED, GREY = (f"color({number})" for number in (29, 63, 98, 131, 243))

_CODE = ANSISyntaxTheme(
    {
        Token: Style(),
        Comment: Style(color=GREY),
        Keyword: Style(color=BLUE),
        Name.Tag: Style(color=BLUE),
        Name.Function: Style(bold=True),
        Name.Class: Style(bold=True),
        Name.Decorator: Style(color=PURPLE),
        String: Style(color=GREEN),
        Number: Style(color=PURPLE),
        Generic.Deleted: Style(color=RED),
        Generic.Inserted: Style(color=GREEN),
        Generic.Heading: Style(bold=True),
        Error: Style(),
    }
)

#: Styles of rich's own Markdown that cannot be read on every background.
READABLE = {
    "markdown.code": "bold",
    "markdown.code_block": "none",
    "markdown.block_quote": GREY,
    "markdown.list": "none",
    "markdown.item.number": "bold",
    "markdown.h2": "bold underline",
    "markdown.h3": "bold",
    "markdown.h4": "bold italic",
    "markdown.h6": "italic",
    "markdown.h7": "italic",
    "markdown.link": "underline",
    "markdown.link_url": "underline",
    "markdown.table.border": "none",
    "markdown.table.header": "bold",
    "markdown.kbd": "bold",
}


def highlighted(text: str, language: str) -> Text:
    """Text in colours, each line as long as it is: a line that was cut in two cannot be copied."""
    found = Syntax(text, language, theme=_CODE).highlight(text)
    found.rstrip()
    found.no_wrap, found.overflow = True, "ignore"
    return found


class _Code(CodeBlock):
    """A code block without padding."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield highlighted(str(self.text).rstrip(), self.lexer_name)


class _Quote(BlockQuote):
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        inner = console.render(self.elements, options.update(width=options.max_width - 4))
        bar = Segment("▌ ", self.style)
        yield from _beside(repeat(bar), Segment.apply_style(inner, self.style))


class _Item(ListItem):
    def render_bullet(self, console: Console, options: ConsoleOptions) -> RenderResult:
        return self._render(console, options, " • ", "markdown.item.bullet")

    def render_number(self, console: Console, options: ConsoleOptions, number: int, last_number: int) -> RenderResult:
        width = len(str(last_number)) + 1
        return self._render(console, options, f"{number:>{width}} ", "markdown.item.number")

    def _render(self, console: Console, options: ConsoleOptions, mark: str, style: str) -> RenderResult:
        inner = console.render(self.elements, options.update(width=options.max_width - len(mark)))
        first = Segment(mark, console.get_style(style))
        yield from _beside(chain([first], repeat(Segment(" " * len(mark)))), inner)


def _beside(marks: Iterable[Segment], inner: Iterable[Segment]) -> RenderResult:
    """Lines with a mark before each. None is cut: rich's own way cuts those that are too long."""
    for mark, line in zip(marks, Segment.split_lines(inner), strict=False):
        yield mark
        yield from line
        yield Segment.line()


class CopyableMarkdown(Markdown):
    """Markdown whose code keeps its lines as they are."""

    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "fence": _Code,
        "code_block": _Code,
        "blockquote_open": _Quote,
        "list_item_open": _Item,
    }
