"""Strings, numbers, booleans, null, and the members of `enum` and `const`: values are proposed, then checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from theoryctl_providers.mock.sampling.numbers import Range
from theoryctl_providers.mock.sampling.patterns import MAX_TEXT, Pattern
from theoryctl_providers.mock.sampling.schema import (
    HINTS,
    Budget,
    Node,
    Part,
    fault,
    has,
    kinds,
    member_lists,
    sizes,
    values,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from theoryctl_providers.mock.words import Words

# First choices come from the names and addresses reserved for documentation (RFC 2606, RFC 3849, RFC 5737); second ones
# are short, for a small maxLength.
_FORMATS = {
    "date-time": ("2024-01-01T00:00:00Z",),
    "date": ("2024-01-01",),
    "time": ("00:00:00Z",),
    "duration": ("P1D",),
    "ipv4": ("192.0.2.1", "0.0.0.1"),
    "ipv6": ("2001:db8::1", "::1"),
    "uuid": ("00000000-0000-4000-8000-000000000000",),
    "json-pointer": ("/value", ""),
    "relative-json-pointer": ("0",),
    "regex": ("mock", "a"),
    **dict.fromkeys(("email", "idn-email"), ("user@example.com", "a@b.co")),
    **dict.fromkeys(("hostname", "idn-hostname"), ("example.com", "a")),
    **dict.fromkeys(("uri", "iri"), ("https://example.com/", "a:b")),
    **dict.fromkeys(("uri-reference", "iri-reference", "uri-template"), ("https://example.com/", "a")),
}
# What speaks of a value on its own; schemas inside it have nodes of their own, and patterns are priced.
_CHECKED = {
    "enum",
    "const",
    "type",
    "required",
    "minProperties",
    "maxProperties",
    "minItems",
    "maxItems",
    "uniqueItems",
}
_CHECKED |= {"minLength", "maxLength", *HINTS["number"]}


class Scalars:
    """Makes and checks the values at the leaves."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.found: dict[str, Pattern] = {}
        self.validators: dict[Node, Any] = {}

    def make(self, node: Node, name: str, turn: int, words: Words | None = None) -> Any:
        """Return the `turn`th member that fits, or the first of what else is proposed, `words` before the rest.

        Raises CannotSample if none does.
        """
        from copy import deepcopy
        from itertools import islice

        lists = member_lists(node)
        if words is not None and (said := self._said(node, name, words)):
            return deepcopy(said[0])
        wanted, offers = (turn, lists[0]) if lists else (0, self._offers(node, name, turn))
        fitting = list(islice((value for value in offers if self._fits(value, node)), wanted + 1))
        if fitting:
            return deepcopy(fitting[wanted % len(fitting)])
        keys = ("const", "enum") if lists else HINTS.get(kinds(node)[0].replace("integer", "number"), ())
        key = next((key for key in keys if has(node, key)), "type")
        raise fault(node, key, "found no value that fits this and the keywords beside it")

    def _said(self, node: Node, name: str, words: Words) -> list[Any]:
        """The first value of `words` that fits, which is then used up; none where none does."""
        if lists := member_lists(node):
            return [member for member in lists[0] if words.has(member) and self._fits(member, node)][:1]
        formats = [found for found in values(node, "format") if found in _FORMATS]
        for value in words.offers(kinds(node)[0], name, formats):
            if self._fits(value, node):
                words.take(value)
                return [value]
        return []

    def pattern(self, part: Part, key: str, source: str) -> Pattern:
        if source not in self.found:
            self.found[source] = Pattern(source, self.budget, lambda problem: part.fault(key, problem))
        return self.found[source]

    def _patterns(self, node: Node) -> list[Pattern]:
        return [self.pattern(part, "pattern", part.words["pattern"]) for part in node if "pattern" in part.words]

    def _fits(self, value: Any, node: Node) -> bool:
        self.budget.spend(1)
        try:
            if not self._validator(node).is_valid(value):
                return False
            return not isinstance(value, str) or all(pattern.found_in(value) for pattern in self._patterns(node))
        except UnicodeEncodeError:
            return False

    def _validator(self, node: Node) -> Any:
        from theoryctl_providers.inputs.validate import compile_schema

        if node not in self.validators:
            self.budget.spend(sum(map(len, member_lists(node))))
            checked = [{key: part.words[key] for key in part.words.keys() & _CHECKED} for part in node]
            self.validators[node] = compile_schema({"allOf": checked} if checked else True)
        return self.validators[node]

    def _offers(self, node: Node, name: str, turn: int) -> Iterable[Any]:
        kind = kinds(node)[0]
        if kind == "string":
            return self._texts(node, name, turn)
        if kind in ("number", "integer"):
            return Range(node, whole=kind == "integer").numbers(turn)
        return [turn % 2 == 0 if kind == "boolean" else None]

    def _texts(self, node: Node, name: str, turn: int) -> Iterator[str]:
        low, high = sizes(node, "Length")
        if low > min(high, MAX_TEXT):
            raise fault(node, "minLength", f"a string of {low} code points is too long")
        self.budget.spend(low)
        formats = [text for part in node for text in _FORMATS.get(part.words.get("format", ""), ())]
        for text in formats:
            yield _lengthened(_turned(text, turn), low)
        for pattern in self._patterns(node):
            # Without anchors, more may stand on either side of a match.
            text = pattern.text(low, turn)
            yield from dict.fromkeys((text, text.ljust(low, "x"), text.rjust(low, "x")))
        if not formats and not self._patterns(node):
            tail = f" {turn + 1}" if turn else ""
            yield (f"mock {name}"[: int(max(0, min(high, MAX_TEXT) - len(tail)))] + tail).ljust(low, "x")


def _turned(text: str, turn: int) -> str:
    """Count up the last number in a format's text; one without numbers takes the turn in front."""
    import re

    last = re.search(r"(\d+)(\D*)$", text)
    if not turn or not last:
        return f"{turn or ''}{text}"
    return f"{text[: last.start()]}{int(last[1]) + turn:0{len(last[1])}}{last[2]}"


def _lengthened(text: str, low: int) -> str:
    """Pad where a format's grammar allows it: a path at its end, a host or mailbox in front."""
    return text.ljust(low, "x") if text.endswith("/") else text.rjust(low, "x")
