"""Values that stand in what the user says, for the arguments of a call: numbers, quoted words, dates, addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

#: Characters of a text that are looked through.
_MOST = 20_000

_FORMS = {
    "date-time": r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)",
    "date": r"\b\d{4}-\d\d-\d\d\b",
    "email": r"[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}",
    "uri": r"https?://[^\s\"'<>()]{1,2000}[^\s\"'<>().,;:!?]",
    "ipv4": r"\b\d{1,3}(?:\.\d{1,3}){3}\b",
}
_QUOTED = re.compile(
    r'"([^"\n]{1,200})"|\u201c([^\u201d\n]{1,200})\u201d|`([^`\n]{1,200})`|(?<!\w)\'([^\'\n]{1,200})\'(?!\w)', re.ASCII
)
_NUMBER = re.compile(r"(?<![\w.])-?\d{1,15}(?:\.\d{1,15})?(?![\w]|\.\d)", re.ASCII)
_LETTER = r"[A-Za-z0-9\x80-\U0010ffff]"

#: Parts of a property's name that say the same as a format.
_NAMED = {"date": "date", "day": "date", "mail": "email", "url": "uri", "uri": "uri", "link": "uri"}


class Words:
    """The values in a text, by what they are. Each quoted word and each number is for one property.

    They are found as ASCII, not by Unicode's tables, which differ between versions of Python.
    """

    def __init__(self, text: str) -> None:
        text = text[:_MOST]
        self._text = _lower(text)
        self._found: dict[str, list[Any]] = {}
        for name, form in _FORMS.items():
            self._found[name] = re.findall(form, text, re.ASCII)
            text = re.sub(form, " ", text, flags=re.ASCII)
        self._found["quoted"] = [next(filter(None, found)) for found in _QUOTED.findall(text)]
        self._found["number"] = [_number(found) for found in _NUMBER.findall(_QUOTED.sub(" ", text))]

    def offers(self, kind: str, name: str, formats: Sequence[str]) -> Iterator[Any]:
        """Yield what may stand for a property of this type and name, the best first; `take` what does."""
        if kind in ("number", "integer"):
            yield from self._found["number"]
        elif kind == "string":
            named = [form for part, form in _NAMED.items() if part in _lower(name)]
            for form in formats or (*named, "quoted"):
                yield from self._found.get(form, ())

    def take(self, value: Any) -> None:
        """Use a value up, so that the next property gets the next one."""
        for values in self._found.values():
            if value in values:
                values.remove(value)
                return

    def has(self, member: Any) -> bool:
        """Return whether a member of an `enum` stands in the text as a word."""
        if not isinstance(member, str) or not member:
            return False
        return re.search(f"(?<!{_LETTER}){re.escape(_lower(member))}(?!{_LETTER})", self._text) is not None


def _number(text: str) -> float:
    return float(text) if "." in text else int(text)


def _lower(text: str) -> str:
    """Lower the letters of ASCII."""
    return text.encode(errors="replace").lower().decode()
