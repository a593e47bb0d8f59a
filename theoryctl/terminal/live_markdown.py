"""A streamed answer at a terminal: Markdown, rendered anew as it grows."""

from __future__ import annotations

import time

from rich.console import Console
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segment, Segments

from theoryctl.terminal.rich_layout import markdown, rendered
from theoryctl.terminal.text import printable

#: Seconds between two drawings: more often nobody sees, and it costs.
_PAUSE = 0.08

Line = list[Segment]


class LiveMarkdown:
    """Shows a text as it comes. Blocks that are whole are printed for good, and scroll away as all text does; only the
    one that still grows is drawn again and again, as much of its end as the screen can hold.

    In the end the same lines stand there as if the text had come at once. `close` must be called: until then the cursor
    is hidden.
    """

    def __init__(self, console: Console, style: str = "none", after: str | None = None) -> None:
        """Begin to draw. `after` is a line that stands below the text in the end."""
        self._console, self._style, self._after = console, style, after
        self._text = ""  # from the last block that was printed on: what follows it depends on it
        self._printed = 0  # how many lines of that are printed
        self._live = Live(
            console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._drawn = 0.0
        self._live.start()

    def add(self, text: str) -> None:
        """Show more of the text."""
        self._text += text
        if time.monotonic() - self._drawn >= _PAUSE:
            self._draw()
            self._drawn = time.monotonic()

    def close(self) -> None:
        """Print the rest."""
        self._live.stop()
        self._print(self._lines(self._text)[self._printed :])
        self._text = ""
        if self._after is not None:
            self._console.print(self._after)

    def _draw(self) -> None:
        previous, growing = block_starts(self._text)
        if growing:
            self._print(self._lines(self._text[:growing])[self._printed :])
            self._printed = len(self._lines(self._text[previous:growing]))
            self._text = self._text[previous:]
        # The cursor rests on a line of its own, so that the ^C which a terminal writes there is erased with it; the
        # last line of the screen is for the line end that rich writes when it stops.
        room = max(1, self._console.height - 2)
        tail = self._lines(self._text)[self._printed :][-room:]
        self._live.update(_joined([*tail, [Segment("")]]), refresh=True)

    def _lines(self, text: str) -> list[Line]:
        return list(Segment.split_lines(rendered(self._console, markdown(text, self._style)).segments))

    def _print(self, lines: list[Line]) -> None:
        if lines:
            self._console.print(_joined([*lines, []]), crop=False)


def _joined(lines: list[Line]) -> Segments:
    """Lines as one renderable, without a line end after the last."""
    return Segments([each for line in lines for each in (Segment.line(), *line)][1:])


def block_starts(text: str) -> tuple[int, int]:
    """Find the last two blocks of a Markdown text: the offsets at which they begin, in characters; 0 for one not there.

    The last line may still grow into anything, so it counts only once it has ended. What comes later changes the last
    block alone (CommonMark 0.31, appendix: a line closes blocks, or continues the open ones).
    """
    whole = printable(text[: text.rfind("\n") + 1])
    tokens = Markdown(whole).parsed
    starts = [token.map[0] for token in tokens if token.level == 0 and token.map and token.nesting >= 0]
    ends = [0]
    for line in text.split("\n"):  # as Markdown counts: of the line ends that Python knows, it takes this one alone
        ends.append(ends[-1] + len(line) + 1)
    previous, last = [0, 0, *starts][-2:]
    return ends[previous], ends[last]
