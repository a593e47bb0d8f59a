"""Parts of texts that make no difference, such as dates and ids: they are the same mark for all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from theoryctl_providers.mock.patterns import compile_pattern

#: The mark that stands for each of them.
MARK = "\u2026"

_MONTHS = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\.?"
_CLOCK = r"\d{1,2}:\d\d(?::\d\d(?:\.\d{1,9})?)?(?: ?[AaPp][Mm]\b|Z\b| ?[+-]\d\d:?\d\d\b)?"

#: Kinds of parts by their names in a script. ASCII only: Unicode's tables differ between versions of Python.
NAMED: Mapping[str, re.Pattern[str]] = {
    "dates": re.compile(
        rf"\b\d{{4}}-\d\d-\d\d(?:[T ]{_CLOCK})?|\b{_CLOCK}"
        rf"|\b\d{{1,2}}[./]\d{{1,2}}[./]\d{{2,4}}\b|\b\d{{1,2}} {_MONTHS},? \d{{4}}\b"
        rf"|\b{_MONTHS} \d{{1,2}},? \d{{4}}\b",
        re.ASCII,
    ),
    "ids": re.compile(
        r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b|\b[0-9a-fA-F]{16,128}\b"
        r"|\b[a-z]{2,12}[_-](?=[A-Za-z]{0,64}[0-9])[A-Za-z0-9]{8,64}\b",
        re.ASCII,
    ),
    "numbers": re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w])", re.ASCII),
}

_WORD = re.compile(r"[^\s\"'(),;<>\[\]{}]+")


class Ignoring:
    """Marks what matches any of some patterns: names of `NAMED`, or regular expressions of whole words.

    Time is linear in the text. Raises ProviderError `ERR_SCRIPT` for a pattern that is none.
    """

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self.patterns = patterns
        self._named = [NAMED[pattern] for pattern in patterns if pattern in NAMED]
        self._words = [compile_pattern(f"^(?:{pattern})$") for pattern in patterns if pattern not in NAMED]

    def __bool__(self) -> bool:
        return bool(self.patterns)

    def text(self, text: str) -> str:
        """Return a text with the mark in place of each part that makes no difference."""
        for pattern in self._named:
            text = pattern.sub(MARK, text)
        return _WORD.sub(self._word, text) if self._words else text

    def value(self, value: Any) -> Any:
        """Return a JSON value with its texts marked, but for the keys of objects."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {key: self.value(item) for key, item in value.items()}
        return [self.value(item) for item in value] if isinstance(value, (list, tuple)) else value

    def _word(self, found: re.Match[str]) -> str:
        word = found[0]
        return MARK if any(pattern.is_valid(word) for pattern in self._words) else word


@lru_cache(maxsize=64)
def ignoring_of(patterns: tuple[str, ...]) -> Ignoring:
    """Return what ignores these patterns, made once."""
    return Ignoring(patterns)
