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


@dataclass(frozen=True, slots=True)
class CheckedScript:
    """A script that is valid, and the places of its parts."""

    script: ScriptDocument
    document: Document

    def problems(self) -> list[tuple[str, Problem]]:
        """Find what is odd in it, each with its kind: `never` or `near`."""
        from theoryctl.authored.script_rules import findings

        return [(found.kind, self.document.problem(found.path, found.what)) for found in findings(self.script)]


def read_script(file: str) -> Script:
    """The script in a YAML file, at its beginning.

    Raises BadScript (`ERR_SCRIPT`) for a file that cannot be read, or with every problem as
    `file:line:column: path.to.key: what is wrong; what was expected`.
    """
    return Script(check_script(read_file(file), file))


def read_file(file: str) -> bytes:
    """The bytes of a script's file. Raises BadScript with the near miss."""
    try:
        return read_regular(file, MAX_BYTES)
    except OSError as error:
        hint = path_hint(file, error, lambda near: again(f"use {near}", script=near))
        raise BadScript(f"--script {file}: {error.strerror}", hint=hint) from error


def check_script(data: bytes, file: str) -> ScriptDocument:
    """The script in `data`, which came from `file`. Raises BadScript as `read_script` does."""
    return checked_script(data, file).script


def checked_script(data: bytes, file: str) -> CheckedScript:
    """The same with the places of its parts."""
    try:
        document = parse(data, MAX_BYTES)
    except YAMLProblems as error:
        raise _bad(file, error.problems) from None
    script, problems = _check().read(document)
    if script is not None:
        problems = [document.problem(path, what) for path, what in _meaning(script)]
    problems += [document.problem(path, what) for path, what in document.surprises.items() if is_free(path)]
    problems = readable(document, problems)
    if script is None or problems:
        raise _bad(file, problems)
    return CheckedScript(script, document)


def script_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of scripts, for editors. Made once; not to be changed."""
    return _check().schema


@cache
def _check() -> ModelCheck[ScriptDocument]:
    return ModelCheck(ScriptDocument, "theoryctl script")


def _bad(file: str, problems: list[Problem]) -> BadScript:
    return BadScript(in_file(file, problems), hint="fix it; docs/mocks.md describes scripts")


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
