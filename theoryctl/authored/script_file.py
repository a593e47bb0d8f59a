"""A script of mock answers, read from its file and checked whole: every problem at its line and column."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from theoryctl.authored.model_check import ModelCheck, cut, in_file, readable
from theoryctl.authored.yaml_document import Path, Problem, YAMLProblems, parse
from theoryctl.errors import BadScript
from theoryctl.hints import again, path_hint
from theoryctl_providers.contract import Script, ScriptDocument, read_regular

#: Answers are text to read; what is larger is a mistake.
MAX_BYTES = 4 << 20

#: Bytes that a compiled regular expression may take, where it is matched too.
_PATTERN_BYTES = 1 << 20

_REGEX = "a regular expression without look-around or back references, and not too large"


def read_script(file: str) -> Script:
    """The script in a YAML file, at its beginning.

    Raises BadScript (`ERR_SCRIPT`) for a file that cannot be read, or with every problem as
    `file:line:column: path.to.key: what is wrong; what was expected`.
    """
    try:
        data = read_regular(file, MAX_BYTES)
    except OSError as error:
        hint = path_hint(file, error, lambda near: again(f"use {near}", script=near))
        raise BadScript(f"--script {file}: {error.strerror}", hint=hint) from error
    return Script(check_script(data, file))


def check_script(data: bytes, file: str) -> ScriptDocument:
    """The script in `data`, which came from `file`. Raises BadScript as `read_script` does."""
    try:
        document = parse(data, MAX_BYTES)
    except YAMLProblems as error:
        raise _bad(file, error.problems) from None
    script, problems = _check().read(document)
    if script is not None:
        problems = [document.problem(path, what) for path, what in _meaning(script)]
    problems += [document.problem(path, what) for path, what in document.surprises.items() if _is_free(path)]
    problems = readable(document, problems)
    if script is None or problems:
        raise _bad(file, problems)
    return script


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
    yield from script.mistakes()


def _is_free(path: Path) -> bool:
    """Return whether any JSON may stand at a path: there YAML's own reading would go unseen."""
    return path[4:5] in (("json",), ("logprobs",)) or (path[4:5] == ("tool_calls",) and path[6:7] == ("arguments",))


def _compiles(regex: str) -> bool:
    import jsonschema_rs

    options = jsonschema_rs.RegexOptions(size_limit=_PATTERN_BYTES)
    try:
        jsonschema_rs.Draft202012Validator({"pattern": regex}, pattern_options=options)
    except ValueError:
        return False
    return True
