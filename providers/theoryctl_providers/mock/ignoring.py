"""Parts of texts that make no difference, such as dates and ids: all of one kind are the same mark."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from theoryctl_providers.contract.script_document import BETWEEN_WORDS
from theoryctl_providers.mock.patterns import compile_pattern

#: The keys in a message that lead to texts. Everything else in a request says what is asked for, such as the model and
#: the tools, or is data, such as a picture, and always makes a difference.
_SAID = ("content", "text", "refusal", "reasoning_content", "tool_call_id")
_CALLED = ("tool_calls", "id", "function", "arguments", "custom", "input")
_READ = frozenset((*_SAID, *_CALLED))

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

_WORD = re.compile(f"[^{BETWEEN_WORDS}]+")

#: Punctuation and marks of emphasis around a word, which its pattern need not match.
_AROUND = ".:!?…¿¡*`|“”„‘’‚«»—–。、，：！？"


class Ignoring:
    """Marks what matches any of some patterns: names of `NAMED`, or regular expressions of whole words.

    A word ends at spaces, quotes, brackets, commas and semicolons. A pattern matches it as it stands, or without the
    punctuation around it. Time is linear in the text. Raises ProviderError `ERR_SCRIPT` for a pattern that is none.
    """

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self.patterns = patterns
        self._named = [(NAMED[pattern], mark_of(pattern)) for pattern in patterns if pattern in NAMED]
        words = [pattern for pattern in patterns if pattern not in NAMED]
        self._words = [(compile_pattern(f"^(?:{pattern})$"), mark_of(pattern)) for pattern in words]

    def __bool__(self) -> bool:
        return bool(self.patterns)

    def text(self, text: str) -> str:
        """Return a text with a mark in place of each part that makes no difference: one for each kind of them."""
        for pattern, mark in self._named:
            text = pattern.sub(mark, text)
        return _WORD.sub(self._word, text) if self._words else text

    def inputs(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return a request's inputs with the texts of its messages, or of its embeddings, marked, and no others."""
        asked = ("messages", "input")
        return {name: self._marked(value) if name in asked else value for name, value in inputs.items()}

    def _marked(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            # An attachment is its name and digest.
            read = frozenset() if "$attach" in value else _READ
            return {key: self._marked(item) if key in read else item for key, item in value.items()}
        return [self._marked(item) for item in value] if isinstance(value, (list, tuple)) else value

    def _word(self, found: re.Match[str]) -> str:
        word = found[0]
        if (mark := self._mark(word)) is not None:
            return mark
        bare = word.strip(_AROUND)
        mark = self._mark(bare) if bare and bare != word else None
        return word if mark is None else word.replace(bare, mark, 1)

    def _mark(self, word: str) -> str | None:
        return next((mark for pattern, mark in self._words if pattern.is_valid(word)), None)


def mark_of(pattern: str) -> str:
    """Return the mark of a kind: of its own, because a date does not stand for an id."""
    return f"\u2039{pattern}\u203a"


@lru_cache(maxsize=64)
def ignoring_of(patterns: tuple[str, ...]) -> Ignoring:
    """Return what ignores these patterns, made once."""
    return Ignoring(patterns)
