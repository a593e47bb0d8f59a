"""Inputs against a provider's JSON Schema: every problem at once, each with its path and the near miss."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from theoryctl_providers.contract import ProviderError, as_schema_says, corrected, dumps, loads
from theoryctl_providers.contract.json_text import cut, json_path, named_path
from theoryctl_providers.inputs.excerpt import Excerpt, is_small
from theoryctl_providers.inputs.expected import Expected, expected, node_of
from theoryctl_providers.inputs.faults import Fault, nearest, options, told

# One compiled validator a schema object; the schema is kept beside it so that its id stays its own.
_validators: dict[int, tuple[Mapping[str, Any], Any]] = {}
_MOST_VALIDATORS = 64

#: Problems that are told of one document.
MOST_PROBLEMS = 20

#: The name of a schema for what refers to its parts.
_WHOLE = "theoryctl:schema"

#: Characters of a value up to which it may be a slip for another.
_LONGEST_SLIP = 100

#: Characters of a value's description up to which a hint says it.
_LONGEST_REMEDY = 100

#: Values that a hint says.
_MOST_REMEDIES = 3


def check_inputs(inputs: Any, schema: Mapping[str, Any] | None) -> None:
    """Validate `inputs` against a JSON Schema (draft 2020-12); None stands for OpenAI's chat vocabulary.

    Raises ProviderError `ERR_INPUTS` that lists the problems as `path: expected …, got …`, at most 20 of them.
    """
    schema = chat_schema() if schema is None else schema
    if not _validator(schema).is_valid(inputs):  # most are, and this says so in a fraction of the time
        report = _report(inputs, schema)
        message = f"inputs: {report.head}" + "\n  ".join(report.lines)
        raise ProviderError("ERR_INPUTS", message, hint=report.hint, param=report.problems[0].param)


def problems_of(document: Any, schema: Mapping[str, Any]) -> list[str]:
    """The problems that a document has by a JSON Schema, as `path: expected …, got …`; at most 20."""
    return [] if _validator(schema).is_valid(document) else _report(document, schema).lines


def compile_schema(schema: Any) -> Any:
    """A jsonschema-rs validator that never fetches anything. Raises ValueError for a schema that is none."""
    # Chosen by measuring: import and one check with jsonschema-rs cost a third of what they cost with jsonschema.
    import jsonschema_rs

    return jsonschema_rs.Draft202012Validator(schema, retriever=_no_network)


@cache
def chat_schema() -> dict[str, Any]:
    """The schema of chat inputs that the built-in providers' manifests carry, for use without a manifest."""
    return read_schema(Path(__file__).with_name("chat.schema.json"))


@cache
def embeddings_schema() -> dict[str, Any]:
    """The schema of embeddings inputs, in OpenAI's vocabulary; no manifest has another."""
    return read_schema(Path(__file__).with_name("embeddings.schema.json"))


def read_schema(file: Path) -> dict[str, Any]:
    """Read a JSON Schema that comes with the package."""
    return dict(loads(file.read_bytes(), what=file.name))


def _validator(schema: Mapping[str, Any]) -> Any:
    known = _validators.get(id(schema))
    if known is None:
        if len(_validators) >= _MOST_VALIDATORS:
            _validators.clear()
        known = _validators[id(schema)] = (schema, compile_schema(schema))
    return known[1]


def _no_network(uri: str) -> Any:
    raise ValueError(f"{uri} lies outside of this document")


class _Problem(NamedTuple):
    """One line on one problem, the place it is about (None: all of the inputs), the input of the schema which that lies
    in, if any, the slips that it consists of, if any, and the sentence that says the value to set."""

    line: str
    param: str | None
    input: str | None = None
    slips: tuple[tuple[str, str], ...] = ()
    remedy: str | None = None


class _Report(NamedTuple):
    """The problems to tell, how many more there are, and "at least " where not all were counted."""

    problems: list[_Problem]
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


def _report(document: Any, schema: Mapping[str, Any]) -> _Report:
    """Report on a document that is not valid."""
    if is_small(document):
        found, left_out = _problems(document, schema, list), 0
    else:
        excerpt = Excerpt(document, schema, _Parts(schema).refuses, MOST_PROBLEMS)
        found, left_out = _problems(excerpt.value, schema, excerpt.place), excerpt.left_out
    if not found:  # too many of something, mostly, that is not told of in its place
        found = [_Problem("$: expected values that fit the schema, got some that together do not", None)]
    told = found[:MOST_PROBLEMS]
    return _Report(told, len(found) - len(told) + left_out, "at least " if left_out else "")


def _problems(document: Any, schema: Mapping[str, Any], place: Callable[[list[Any]], list[Any]]) -> list[_Problem]:
    faults = map(nearest, told(_validator(schema).iter_errors(document)))
    found = {_describe(each, place(named_path(document, each.error.instance_path)), schema) for each in faults}
    return sorted(found, key=_order)


def _order(problem: _Problem) -> str:
    """The line with its numbers at one width: message 2 comes before message 10."""
    return re.sub(r"\d+", lambda found: found[0].zfill(9), problem.line)


class _Parts:
    """Validators of the parts of a schema, each compiled when it is first asked for."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._validators: dict[str, Any] = {}

    def refuses(self, pointer: str, value: Any) -> bool:
        """Return whether a value does not fit the part at a pointer."""
        found = self._validators.get(pointer)
        if found is None:
            found = self._validators[pointer] = self._compiled(pointer)
        return not found.is_valid(value)

    def _compiled(self, pointer: str) -> Any:
        import jsonschema_rs

        registry = jsonschema_rs.Registry([(_WHOLE, dict(self._schema))], retriever=_no_network)
        part = {"$ref": f"{_WHOLE}#{quote(pointer)}"}
        return jsonschema_rs.Draft202012Validator(part, registry=registry, retriever=_no_network)


def _describe(fault: Fault, path: list[str | int], schema: Mapping[str, Any]) -> _Problem:
    error, at_fault = fault.error, list(path)
    if error.kind.name in ("additionalProperties", "unevaluatedProperties"):
        at_fault.append(error.kind.unexpected[0])
    elif error.kind.name == "required":
        at_fault.append(error.kind.property)
    wanted = expected(fault, schema)
    line = f"{json_path(path)}: {_finding(error, wanted, schema)}"
    param = json_path(at_fault)[2:] or None
    name = str(at_fault[0]) if at_fault else ""
    known = name if name in schema.get("properties", {}) else None
    return _Problem(line, param, known, _slips(error, schema), _remedy(param, wanted))


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


def _finding(error: Any, wanted: Expected | None, schema: Mapping[str, Any]) -> str:
    kind, value = error.kind, error.instance
    match kind.name:
        case "required":
            return f"{cut(kind.property)!r} is missing"
        case "additionalProperties" | "unevaluatedProperties":
            declared = _declared(error, schema)
            way = _way_out(kind.unexpected) if _takes_extra_body(error, declared) else ""
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


def _way_out(keys: list[str]) -> str:
    """The place of keys that only a vendor knows; some have none."""
    from theoryctl_providers.inputs.forbidden import is_forbidden

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
