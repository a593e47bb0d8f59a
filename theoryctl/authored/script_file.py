"""A script of mock answers, read from its file and checked whole: every problem at its line and column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from theoryctl.authored.model_check import ModelCheck, cut, in_file, readable
from theoryctl.authored.patterns import compiled
from theoryctl.errors import BadScript
from theoryctl.hints import again, path_hint
from theoryctl_providers.authored.yaml_document import Document, Path, Problem, YAMLProblems, parse
from theoryctl_providers.contract import Script, ScriptDocument, read_regular
from theoryctl_providers.contract.script_document import is_free

#: Answers are text to read; what is larger is a mistake.
MAX_BYTES = 4 << 20

_REGEX = "a regular expression without look-around or back references, and not too large"


def read_script(file: str) -> Script:
    """The script in a YAML file, at its beginning.

    Raises BadScript (`ERR_SCRIPT`) for a file that cannot be read, or with every problem as
    `file:line:column: path.to.key: what is wrong; what was expected`.
    """
    try:
        data = read_regular(file, MAX_BYTES)
    except OSError as error:
        hint = path_hint(file, error, lambda near: again(f"use {near}", script=(near,)))
        raise BadScript(f"--script {file}: {error.strerror}", hint=hint) from error
    return Script(check_script(data, file))


def check_script(data: bytes, file: str) -> ScriptDocument:
    """The script in `data`, which came from `file`. Raises BadScript as `read_script` does."""
    script, _, problems = _read(data)
    if script is None or problems:
        raise BadScript(in_file(file, problems), hint="fix it; docs/mocks.md describes scripts")
    return script


@dataclass(frozen=True, slots=True)
class ScriptProblem:
    """A problem of a script. `error`: it is invalid; `never`: a rule never fires; `near`: a word nearly says more."""

    kind: str
    problem: Problem


def inspect_script(data: bytes) -> tuple[int, list[ScriptProblem]]:
    """Return the number of rules of a script, and all that is wrong or odd in it, in the order of the file."""
    from theoryctl.authored.script_rules import findings

    script, document, problems = _read(data)
    found = [ScriptProblem("error", problem) for problem in problems]
    if script is not None and document is not None and not problems:
        found = [ScriptProblem(odd.kind, document.problem(odd.path, odd.what)) for odd in findings(script)]
    return len(script.rules) if script else 0, sorted(found, key=lambda each: each.problem)


def _read(data: bytes) -> tuple[ScriptDocument | None, Document | None, list[Problem]]:
    """The script, its text with positions, and its problems; None for what cannot be had."""
    try:
        document = parse(data, MAX_BYTES)
    except YAMLProblems as error:
        return None, None, error.problems
    script, problems = _check().read(document)
    if script is not None:
        problems = [document.problem(path, what) for path, what in _meaning(script)]
    problems += [document.problem(path, what) for path, what in document.surprises.items() if is_free(path)]
    return script, document, readable(document, problems)


def script_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of scripts, for editors. Made once; not to be changed."""
    return _check().schema


@cache
def _check() -> ModelCheck[ScriptDocument]:
    return ModelCheck(ScriptDocument, "theoryctl script")


def _meaning(script: ScriptDocument) -> Iterator[tuple[Path, str]]:
    """Check the meaning, which the structure alone does not say."""
    for index, rule in enumerate(script.rules):
        at: Path = ("rules", index)
        regex = rule.when.user and rule.when.user.regex
        if regex and not _compiles(regex):
            yield (*at, "when", "user", "regex"), f"found {cut(repr(regex))}; expected {_REGEX}"
    for index, pattern in enumerate(script.ignore):
        if not _compiles(f"^(?:{pattern})$"):
            yield ("ignore", index), f"found {cut(repr(pattern))}; expected dates, ids, numbers, or {_REGEX}"
    yield from script.mistakes()


def _compiles(regex: str) -> bool:
    try:
        compiled(regex)
    except ValueError:
        return False
    return True
