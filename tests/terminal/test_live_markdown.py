"""An answer that is rendered as it grows: what stands on the screen and above it in the end, and on the way."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Iterable, Iterator

import pytest
from rich.console import Console

from tests.conftest import ROOT
from theoryctl.terminal import live_markdown
from theoryctl.terminal.answer_stream import Pace
from theoryctl.terminal.live_markdown import LiveMarkdown, block_starts
from theoryctl.terminal.rich_layout import markdown, rendered

DOCUMENT = (
    (ROOT / "docs/images.md").read_text()
    + "\n```python\n"
    + "\n".join(f"x{n} = {n}" for n in range(60))
    + "\n```\n\n1. one\n2. two\n\n3. three\n   - nested\n\n* * *\n\nSetext\n======\n\n"
    + "> quote\n> more\n\n- a\n\n    code\n\nEnd."
)
#: What rich writes to a terminal: text, carriage returns, line feeds, and these.
CONTROL = re.compile(r"\x1b\[(\?25[lh]|\d*A|2K|[\d;]*m)|\x1b\]8;[^\x1b]*\x1b\\|[\r\n]")


class Screen:
    """As much of a terminal as rich uses. It has no columns: what is wider than the terminal is not wrapped."""

    def __init__(self, height: int) -> None:
        self.height, self.lines, self.row, self.column, self.hidden = height, [""], 0, 0, False

    def feed(self, text: str) -> None:
        at = 0
        for found in CONTROL.finditer(text):
            self._write(text[at : found.start()])
            self._obey(found.group())
            at = found.end()
        self._write(text[at:])

    def _obey(self, control: str) -> None:
        if control == "\r":
            self.column = 0
        elif control == "\n":
            self.row, self.column = self.row + 1, 0
            self.lines += [""] * (self.row + 1 - len(self.lines))
        elif control.endswith("A"):
            self.row -= int(control[2:-1] or 1)
            assert self.row >= len(self.lines) - self.height, "what has scrolled away cannot be drawn again"
        elif control.endswith("2K"):
            self.lines[self.row] = ""
        elif control.startswith("\x1b[?25"):
            self.hidden = control.endswith("l")

    def _write(self, text: str) -> None:
        assert "\x1b" not in text
        line = self.lines[self.row].ljust(self.column)
        self.lines[self.row] = line[: self.column] + text + line[self.column + len(text) :]
        self.column += len(text)

    @property
    def text(self) -> list[str]:
        lines = [line.rstrip() for line in self.lines]
        while lines and not lines[-1]:
            lines.pop()
        return lines


def console_of(width: int, height: int) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, force_terminal=True, width=width, height=height, color_system=None), file


def at_once(text: str, width: int) -> list[str]:
    console, file = console_of(width, 50)
    console.print(rendered(console, markdown(text)), crop=False)
    screen = Screen(10_000)
    screen.feed(file.getvalue())
    return screen.text


def streamed(pieces: Iterable[str], width: int, height: int) -> Iterator[Screen]:
    """The screen after each piece, and at the end."""
    console, file = console_of(width, height)
    screen = Screen(height)
    answer = LiveMarkdown(console)

    def shown() -> Screen:
        screen.feed(file.getvalue())
        file.seek(0)
        file.truncate()
        return screen

    for piece in pieces:
        answer.add(piece)
        yield shown()
    answer.close()
    yield shown()


def cut(text: str, seed: int, longest: int) -> Iterator[str]:
    numbers, at = random.Random(seed), 0
    while at < len(text):
        size = numbers.randint(1, longest)
        yield text[at : at + size]
        at += size


@pytest.fixture(autouse=True)
def every_piece_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_markdown, "_PAUSE", 0.0)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 12), (40, 5)])
def test_in_the_end_it_is_what_it_would_have_been_at_once(width: int, height: int) -> None:
    *_, last = streamed(cut(DOCUMENT, seed=width, longest=40), width, height)
    assert last.text == at_once(DOCUMENT, width)
    assert not last.hidden


@pytest.mark.parametrize("seed", range(4))
def test_however_a_small_answer_is_cut_it_ends_the_same(seed: int) -> None:
    text = "# Title\n\nOne *two*\nthree\n\n- a\n- b\n\n1. x\n\n2. y\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
    text += "Para\n---\n```\ncode\n```\nend"
    *_, last = streamed(cut(text, seed, longest=3), 60, 8)
    assert last.text == at_once(text, 60)


@pytest.mark.parametrize("odd", ["\u2028", "\u2029", "\f", "\v", "\x85", "\r", "\x1c", "\r\n"], ids=ascii)
def test_only_line_feeds_end_lines_so_that_nothing_is_lost(odd: str) -> None:
    text = "".join(f"Before {number}{odd}and after.\n\n" for number in range(6)) + "End."
    for cuts in ([f"{part}\n\n" for part in text.split("\n\n")], cut(text, seed=1, longest=9)):
        *_, last = streamed(cuts, 60, 8)
        assert [line for line in last.text if line] == [line for line in at_once(text, 60) if line]
        assert "".join(last.text).count("after") == 6


@pytest.mark.parametrize("written", ["^C", "^C^C^C"])
def test_what_a_terminal_writes_for_control_c_is_erased_and_no_line_stands_twice(written: str) -> None:
    console, file = console_of(20, 10)
    answer = LiveMarkdown(console)
    answer.add("x" * 20 + " twenty columns wide, and more")
    screen = Screen(10)
    screen.feed(file.getvalue())
    screen.feed(written)
    assert screen.lines[screen.row] == written, "it stands on a line of its own, which is drawn anew"
    file.seek(0)
    file.truncate()
    answer.close()
    screen.feed(file.getvalue())
    assert screen.text == at_once("x" * 20 + " twenty columns wide, and more", 20)


def test_on_the_way_the_newest_of_a_block_that_fills_the_screen_is_seen() -> None:
    code = "```\n" + "".join(f"line {n}\n" for n in range(100))
    for number, screen in enumerate(streamed(code.splitlines(keepends=True)[:-1], 80, 10)):
        if 20 < number < 99:
            assert f"line {number - 1}" in " ".join(screen.text[-2:])
            assert len(screen.text) <= 10


def test_no_line_is_lost_or_doubled_on_the_way() -> None:
    paragraphs = [f"Paragraph {n} is here." for n in range(30)]
    for screen in streamed([f"{paragraph}\n\n" for paragraph in paragraphs], 80, 10):
        seen = [line for line in screen.text if line]
        assert seen == paragraphs[: len(seen)]


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("", ""),
        ("one", "one"),
        ("one\n\n", "one\n\n"),
        ("one\n\ntwo", "one\n\ntwo"),
        ("one\n\ntwo\n", "two\n"),
        ("- a\n\n2", "- a\n\n2"),
        ("one\n\n```\na\n\nb\n", "```\na\n\nb\n"),
        ("# T\ntext\n", "text\n"),
    ],
)
def test_a_line_counts_once_it_has_ended(text: str, last: str) -> None:
    assert text[block_starts(text)[1] :] == last


def test_a_pace_tells_the_first_token_and_the_rate_from_there(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 100.5, 101.0, 102.5])
    monkeypatch.setattr("theoryctl.terminal.answer_stream.time.monotonic", lambda: next(clock))
    pace = Pace()
    assert list(pace.words(3)) == []
    for _ in range(3):
        pace.note()
    assert list(pace.words(21)) == ["first token after 0.50 s", "10 tokens/s"]
    assert list(pace.words(None)) == ["first token after 0.50 s"]
