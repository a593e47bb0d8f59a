"""The forms in which a result can be shown to people: lines, facts, a table, or a JSON document."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from theoryctl_providers.contract import ErrorInfo


# Named tuples are made faster than dataclasses, by every command that shows a result.


class Paragraph(NamedTuple):
    """A line that a terminal may break between words: its `label`, which stays whole, and a text, which goes on in the
    column `begin`."""

    label: str
    text: str
    begin: int


class Lines(NamedTuple):
    """Plain lines. The `notes` of a view go to standard error after it, and so do `errors`, failures that quiet does
    not hide."""

    lines: Iterable[str | Paragraph]
    notes: tuple[str, ...] = ()
    errors: tuple[ErrorInfo, ...] = ()


class Facts(NamedTuple):
    """Names and their values, below each other; a value that is too wide for the terminal is folded in its column."""

    pairs: Sequence[tuple[str, str]]
    notes: tuple[str, ...] = ()


class Table(NamedTuple):
    """A header and rows; where there are no rows, `empty` is said on standard error, and so is what is `said`
    with it. `errors` are failures, which go there too, and which quiet does not hide. A table that is too wide for the
    terminal is folded between words, where it `folds` and this is enough; else it is shown as the `narrow` one, where
    it has one that says less; else as facts, row by row."""

    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    empty: str
    folds: bool = False
    said: tuple[str, ...] = ()
    errors: tuple[ErrorInfo, ...] = ()
    #: Numbers that a terminal draws as bars beside the first rows.
    bars: Sequence[float] = ()
    narrow: Table | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        return self.said if self.rows or not self.empty else (*self.said, self.empty)


class Document(NamedTuple):
    """A JSON value, whose only form is JSON."""

    value: Any
    notes: tuple[str, ...] = ()


View = Lines | Facts | Table | Document

#: The view of each type of result.
Views = Mapping[type[Any], Callable[[Any], View]]
