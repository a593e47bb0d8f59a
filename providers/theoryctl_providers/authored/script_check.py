"""A script of mock answers, checked whole: every problem at its line and column."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from theoryctl_providers.authored.model_check import ModelCheck, cut, readable
from theoryctl_providers.authored.patterns import compiled
from theoryctl_providers.authored.yaml_document import Document, Path, Problem, YAMLProblems, parse
from theoryctl_providers.contract import ScriptDocument
from theoryctl_providers.contract.script_document import is_free

#: Answers are text to read; what is larger is a mistake.
MAX_BYTES = 4 << 20

_REGEX = "a regular expression without look-around or back references, and not too large"

#: The key that a plain value most likely stands for, by the part of the script where it is found in place of an object.
_PLAIN: dict[tuple[str, type], str] = {
    ("ScriptDocument", list): "rules",
    ("UserSays", str): "contains",
    ("ScriptedAnswer", str): "text",
    ("Chunk", str): "text",
    ("ScriptedToolCall", str): "name",
}


@dataclass(frozen=True, slots=True)
class ScriptProblem:
    """A problem of a script. `error`: it is invalid; `never`: a part has no effect; `near`: a word nearly says more."""

    kind: str
    problem: Problem


def inspect_script(data: bytes, vendors: Collection[str] = ()) -> tuple[int, list[ScriptProblem]]:
    """Return the number of rules of a script, and all that is wrong or odd in it, in the order of the file.

    `vendors` are the names of vendors that no model has.
    """
    from theoryctl_providers.authored.script_rules import findings

    script, document, problems = _read(data)
    found = [ScriptProblem("error", problem) for problem in problems]
    if script is not None and document is not None and not problems:
        found = [ScriptProblem(odd.kind, document.problem(odd.path, odd.what)) for odd in findings(script, vendors)]
    return len(script.rules) if script else 0, sorted(found, key=lambda each: each.problem)


def read_script(data: bytes) -> tuple[ScriptDocument | None, list[Problem]]:
    """Return the script of a YAML text, or all that is wrong with it: one of the two is empty."""
    script, _, problems = _read(data)
    return (None, problems) if problems else (script, [])


def _read(data: bytes) -> tuple[ScriptDocument | None, Document | None, list[Problem]]:
    """The script, its text with positions, and its problems; None for what cannot be had."""
    try:
        document = parse(data, MAX_BYTES)
    except YAMLProblems as error:
        return None, None, error.problems
    script, problems = check_document(document)
    return script, document, problems


def check_document(document: Document) -> tuple[ScriptDocument | None, list[Problem]]:
    """Return the script that a document is, where its structure is right, and all that is wrong with it."""
    script, problems = _check().read(document)
    if script is not None:
        problems = [document.problem(path, what) for path, what in _meaning(script)]
    problems += [document.ambiguous(path) for path in document.surprises if is_free(path)]
    return script, readable(document, problems)


def script_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of scripts, for editors. Made once; not to be changed."""
    return _check().schema


@cache
def _check() -> ModelCheck[ScriptDocument]:
    return ModelCheck(ScriptDocument, "theoryctl script", plain=_PLAIN)


def _meaning(script: ScriptDocument) -> Iterator[tuple[Path, str]]:
    """Check the meaning, which the structure alone does not say."""
    for index, rule in enumerate(script.rules):
        at: Path = ("rules", index)
        regex = rule.when.user and rule.when.user.regex
        if regex and not _compiles(regex):
            yield (*at, "when", "user", "regex"), f"expected {_REGEX}, got {cut(repr(regex))}"
    for index, pattern in enumerate(script.ignore):
        if not _compiles(f"^(?:{pattern})$"):
            yield ("ignore", index), f"expected dates, ids, numbers, or {_REGEX}, got {cut(repr(pattern))}"
    yield from script.mistakes()


def _compiles(regex: str) -> bool:
    try:
        compiled(regex)
    except ValueError:
        return False
    return True
