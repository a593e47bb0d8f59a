"""The problems of a document that does not fit its JSON Schema: all at once, each with its path and the near miss."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import reduce
from operator import getitem
from typing import Any, NamedTuple

from theoryctl_providers.contract import as_schema_says, corrected, dumps
from theoryctl_providers.contract.json_text import cut, json_path, named_path
from theoryctl_providers.inputs.excerpt import Excerpt, is_small
from theoryctl_providers.inputs.expected import Expected, expected, node_of
from theoryctl_providers.inputs.faults import Fault, nearest, options, told

#: Problems that are told of one document.
MOST_PROBLEMS = 20

#: Characters of a value up to which it may be a slip for another.
_LONGEST_SLIP = 100

#: Characters of a value's description up to which a hint says it.
_LONGEST_REMEDY = 100

#: Values that a hint says.
_MOST_REMEDIES = 3


class Problem(NamedTuple):
    """One line on one problem, the place it is about (None: all of the inputs), the input of the schema which that lies
    in, if any, the slips that it consists of, if any, and the sentence that says what to do."""

    line: str
    param: str | None
    input: str | None = None
    slips: tuple[tuple[str, str], ...] = ()
    remedy: str | None = None


class Report(NamedTuple):
    """The problems to tell, how many more there are, and "at least " where not all were counted."""

    problems: list[Problem]
    more: int
    least: str

    @property
    def head(self) -> str:
        """The number of problems, where there are several."""
        count = len(self.problems) + self.more
        return f"{self.least}{count} problems:\n  " if count > 1 else ""

    @property
    def hint(self) -> str:
        """The correction, where all problems are slips, or values that a few words can say; else the schema to read."""
        slips = dict(slip for problem in self.problems for slip in problem.slips)
        is_whole = not self.more and all(problem.slips for problem in self.problems)
        return (corrected(slips) if is_whole else None) or self._values or as_schema_says(self._unsaid)

    @property
    def _values(self) -> str | None:
        """The values to set, where there are few and a few words say each."""
        remedies = [problem.remedy for problem in self.problems if problem.remedy]
        is_whole = len(remedies) == len(self.problems) <= _MOST_REMEDIES and not self.more
        return " and ".join(remedies) if is_whole else None

    @property
    def _unsaid(self) -> list[str]:
        """The inputs whose schema says more than the problems do, else all that are at fault.

        None where a problem that leaves something unsaid is of no input that the schema knows.
        """
        unsaid = [problem for problem in self.problems if not (problem.remedy or problem.slips)]
        inputs = [problem.input for problem in unsaid or self.problems if problem.input]
        return inputs if len(inputs) >= len(unsaid) else []

    @property
    def lines(self) -> list[str]:
        """A line for each problem that is told."""
        rest = [f"and {self.least}{self.more} more"] if self.more else []
        return [problem.line for problem in self.problems] + rest


def report(
    document: Any, schema: Mapping[str, Any], validator: Any, compile_part: Callable[[Mapping[str, Any], str], Any]
) -> Report:
    """Report on a document that is not valid. `compile_part` makes the validator of the part at a JSON pointer."""
    if is_small(document):
        found, left_out = _problems(document, document, schema, validator, list), 0
    else:
        refuses = _Parts(schema, compile_part).refuses
        excerpt = Excerpt(document, schema, refuses, MOST_PROBLEMS)
        found, left_out = _problems(document, excerpt.value, schema, validator, excerpt.place), excerpt.left_out
        found = found or [_crowded(document, name, most) for name, most in excerpt.crowded()]
    if not found:  # too many of something, mostly, that is not told of in its place
        found = [Problem("$: expected values that fit the schema, got some that together do not", None)]
    told = found[:MOST_PROBLEMS]
    return Report(told, len(found) - len(told) + left_out, "at least " if left_out else "")


def _problems(
    whole: Any, document: Any, schema: Mapping[str, Any], validator: Any, place: Callable[[list[Any]], list[Any]]
) -> list[Problem]:
    faults = map(nearest, told(validator.iter_errors(document)))
    found = {_describe(each, place(named_path(document, each.error.instance_path)), schema, whole) for each in faults}
    return sorted(found, key=_order)


def _at(path: list[str | int], document: Any, otherwise: Any) -> Any:
    """The value at a path; `otherwise` where a name in the path was cut."""
    try:
        return reduce(getitem, path, document)
    except (KeyError, IndexError, TypeError):
        return otherwise


def _crowded(document: Mapping[str, Any], name: str, most: int) -> Problem:
    line = f"{json_path([name])}: {_size('at most', most, document[name])}"
    return Problem(line, name, name, remedy=_shorter(name, most))


def _shorter(param: str, most: int) -> str:
    return f"shorten {param} to {most} {'item' if most == 1 else 'items'}"


def _size(bound: str, limit: int, value: Any) -> str:
    return f"expected {bound} {limit} {'item' if limit == 1 else 'items'}, got {len(value)}"


def _order(problem: Problem) -> str:
    """The line with its numbers at one width: message 2 comes before message 10."""
    return re.sub(r"\d+", lambda found: found[0].zfill(9), problem.line)


class _Parts:
    """Validators of the parts of a schema, each compiled when it is first asked for."""

    def __init__(self, schema: Mapping[str, Any], compile_part: Callable[[Mapping[str, Any], str], Any]) -> None:
        self._schema, self._compile = schema, compile_part
        self._validators: dict[str, Any] = {}

    def refuses(self, pointer: str, value: Any) -> bool:
        """Return whether a value does not fit the part at a pointer."""
        found = self._validators.get(pointer)
        if found is None:
            found = self._validators[pointer] = self._compile(self._schema, pointer)
        return not found.is_valid(value)


def _describe(fault: Fault, path: list[str | int], schema: Mapping[str, Any], whole: Any) -> Problem:
    error, at_fault = fault.error, list(path)
    if error.kind.name in ("additionalProperties", "unevaluatedProperties"):
        at_fault.append(error.kind.unexpected[0])
    elif error.kind.name == "required":
        at_fault.append(error.kind.property)
    wanted = expected(fault, schema)
    line = f"{json_path(path)}: {_finding(error, wanted, schema, _at(path, whole, error.instance))}"
    param = json_path(at_fault)[2:] or None
    name = str(at_fault[0]) if at_fault else ""
    known = name if name in schema.get("properties", {}) else None
    remedy = _shorter(param, error.kind.limit) if param and error.kind.name == "maxItems" else _remedy(param, wanted)
    return Problem(line, param, known, _slips(error, schema), remedy)


def _remedy(param: str | None, wanted: Expected | None) -> str | None:
    """The sentence that says the value to set; None where it would be long, or would not say all of it."""
    if param is None or wanted is None or not wanted.is_whole or len(wanted.words) > _LONGEST_REMEDY:
        return None
    return f"set {param} to {wanted.words}"


def _slips(error: Any, schema: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The words of a problem with those that were meant; none where one is near to nothing."""
    match error.kind.name:
        case "additionalProperties" | "unevaluatedProperties":
            words, meant = error.kind.unexpected, _declared(error, schema)
        case _:
            words, meant = [error.instance], options(error) or []
    near = [(word, found) for word in words[:MOST_PROBLEMS] for found in _near(word, meant)]
    return tuple(near) if len(near) == len(words) else ()


def _finding(error: Any, wanted: Expected | None, schema: Mapping[str, Any], whole: Any) -> str:
    """The problem in words. `whole` is the value, of which the error may have an excerpt."""
    kind, value = error.kind, error.instance
    match kind.name:
        case "minItems":
            return _size("at least", kind.limit, whole)
        case "maxItems":
            return _size("at most", kind.limit, whole)
        case "required":
            return f"{cut(kind.property)!r} is missing"
        case "additionalProperties" | "unevaluatedProperties":
            declared = _declared(error, schema)
            way = _way_out(kind.unexpected, declared) if _takes_extra_body(error, declared) else ""
            return ", ".join(unknown_keys(kind.unexpected, declared)) + way
        case _:
            if wanted is None:
                return _shortened(str(error.message))
            return f"expected {wanted.words}, got {_found(value)}{_guess(value, options(error) or ())}"


def _shortened(message: str) -> str:
    """A message of the validator's, which begins with the value and ends with what is wrong with it."""
    return message if len(message) <= 200 else f"{message[:59]}…{message[-140:]}"


def unknown_keys(keys: list[str], declared: list[str]) -> Iterator[str]:
    """Name the keys that are not among the declared ones, at most 20, each with its near miss."""
    for key in keys[:MOST_PROBLEMS]:
        yield f"unknown key {cut(key)!r}{_guess(key, declared)}"
    if len(keys) > MOST_PROBLEMS:
        yield f"and {len(keys) - MOST_PROBLEMS} more"


def _declared(error: Any, schema: Mapping[str, Any]) -> list[str]:
    """The property names known where an unknown one was found."""
    return sorted(node_of(error, schema).get("properties", {}))


def _takes_extra_body(error: Any, declared: list[str]) -> bool:
    """Tell whether an unknown key stands beside an `extra_body`, which is for those that only a vendor knows."""
    return not error.instance_path and "extra_body" in declared


def _way_out(keys: list[str], declared: list[str]) -> str:
    """The place of keys that only a vendor knows; some have none, and a prompt is a message."""
    from theoryctl_providers.inputs.forbidden import is_forbidden

    if keys == ["prompt"] and "messages" in declared:
        return '; a prompt is a message: {"messages": [{"role": "user", "content": "…"}]}'
    if any(map(is_forbidden, keys)):
        return "; no address, credential or setting of LiteLLM is an input"
    return "; a vendor's own parameters go into extra_body"


def _guess(found: Any, meant: Iterable[Any]) -> str:
    return "".join(f", did you mean {near!r}?" for near in _near(found, meant))


def _near(found: Any, meant: Iterable[Any]) -> list[str]:
    """The option that is nearest to a text, where one is near."""
    texts = [option for option in meant if isinstance(option, str)]
    # Comparing costs the square of the length.
    return get_close_matches(found, texts, n=1) if isinstance(found, str) and len(found) <= _LONGEST_SLIP else []


def _found(value: Any) -> str:
    text = dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
