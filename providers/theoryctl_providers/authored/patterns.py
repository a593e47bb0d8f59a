"""Regular expressions that people write, compiled to be matched in time linear in the text."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from theoryctl_providers.contract.script_document import BETWEEN_WORDS

#: Bytes that a compiled regular expression may take, so that `a{999}{999}` is refused.
_PATTERN_BYTES = 1 << 20


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Any:
    """Return a matcher with `is_valid(text)`. Raises ValueError for a pattern that is none, or too large."""
    # Rust's regex engine by way of JSON Schema's `pattern`: it cannot backtrack, and it is here already.
    import jsonschema_rs

    options = jsonschema_rs.RegexOptions(size_limit=_PATTERN_BYTES)
    return jsonschema_rs.Draft202012Validator({"pattern": pattern}, pattern_options=options)


#: The parts of a pattern that are read before its groups are: escapes, classes (which may nest), and counts.
_ESCAPE = re.compile(r"\\(?:[pP]\{[^}]*\}|[xu]\{[^}]*\}|.)", re.DOTALL)
_CLASS = re.compile(r"\[[^\[\]]*\]")
_COUNT = re.compile(r"\{(\d+)[\d, ]*\}")
_GROUP = re.compile(r"\((?:\?(?:P?<\w+>|[a-zA-Z-]*:))?([^()]*)\)")
_VERBOSE = re.compile(r"\(\?[a-zA-Z]*x")

#: A character between words that has to be there. What is neither such nor part of a group is an `x` by now.
_BETWEEN = re.compile(f"[{BETWEEN_WORDS}](?![*?])")
_BETWEEN_ESCAPED = re.compile(rf"\\[{BETWEEN_WORDS}sntrfv]")


def may_match_word(pattern: str) -> bool:
    """Return whether a valid pattern can match a word: False where each of its alternatives needs what stands between
    words, such as a space. True also where that cannot be told."""
    if _VERBOSE.search(pattern):
        return True
    plain = _ESCAPE.sub(lambda found: " " if _BETWEEN_ESCAPED.fullmatch(found[0]) else "x", pattern)
    plain = _settled(_CLASS, "x", plain)
    plain = _COUNT.sub(lambda found: "*" if int(found[1]) == 0 else "", plain)
    plain = _settled(_GROUP, lambda found: "x" if _fits(found[1]) else " ", plain)
    return _fits(plain)


def _fits(alternatives: str) -> bool:
    return any(not _BETWEEN.search(each) for each in alternatives.split("|"))


def _settled(part: re.Pattern[str], by: Any, text: str) -> str:
    """Replace parts, the innermost first, until there is none."""
    while (replaced := part.sub(by, text)) != text:
        text = replaced
    return text
