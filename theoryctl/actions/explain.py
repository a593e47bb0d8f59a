"""The work behind `theoryctl explain`: the cause and the cure of an error code."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from theoryctl import errors
from theoryctl.errors import UsageError
from theoryctl.hints import command
from theoryctl.results.errors import ErrorCodes, Explanation
from theoryctl_providers.contract import ERRORS


def explain(code: str) -> Explanation:
    """Explain a code, as `code_of` reads it. Raises UsageError for an unknown one."""
    name, near = code_of(code)
    if near is not None:
        raise UsageError(f"there is no error code {code[:200]!r}", hint=command("explain", *near).alone())
    spec, (cause, cure) = ERRORS[name], _causes()[name]
    return Explanation(name, spec.meaning, cause, cure, spec.exit_status, spec.retryable, spec.http_status)


def code_of(text: str) -> tuple[str, list[str] | None]:
    """Return the code that people write with or without its `ERR_`, in any case, and None; where it is unknown, the
    one that was meant instead of None, or no code in the list."""
    name = text.strip().upper().replace("-", "_").replace(" ", "_")
    name = name if name.startswith("ERR_") else f"ERR_{name}"
    return name, None if name in ERRORS else _near(name)


def _near(name: str) -> list[str]:
    """The code that was meant: the only one with all of the words, else one that is spelt alike; or none."""
    words = set(name.split("_"))
    if holding := [code for code in ERRORS if words.issubset(code.split("_"))]:
        return holding if len(holding) == 1 else []
    # Without the beginning that all of them have, which would make each a little alike.
    codes = {code.removeprefix("ERR_"): code for code in ERRORS}
    return [codes[near] for near in get_close_matches(name.removeprefix("ERR_"), codes, n=1, cutoff=0.75)]


def error_codes() -> ErrorCodes:
    """List every code."""
    return ErrorCodes(tuple((code, spec.exit_status, spec.meaning) for code, spec in ERRORS.items()))


@cache
def _causes() -> dict[str, tuple[str, str]]:
    """Cause and cure of every code, from `errors.md`: a section each, in Markdown."""
    text = Path(errors.__file__).with_suffix(".md").read_text(encoding="utf-8")
    sections = re.findall(r"^## (\w+)\n\nCause: (.+?)\n\nCure: (.+?)\n(?=\n## |\Z)", text, re.M | re.S)
    return {code: (" ".join(cause.split()), " ".join(cure.split())) for code, cause, cure in sections}
