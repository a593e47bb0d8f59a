"""Regular expressions that people write, compiled to be matched in time linear in the text."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

#: Bytes that a compiled regular expression may take, so that `a{999}{999}` is refused.
_PATTERN_BYTES = 1 << 20


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Any:
    """Return a matcher with `is_valid(text)`. Raises ValueError for a pattern that is none, or too large."""
    # Rust's regex engine by way of JSON Schema's `pattern`: it cannot backtrack, and it is here already.
    import jsonschema_rs

    options = jsonschema_rs.RegexOptions(size_limit=_PATTERN_BYTES)
    return jsonschema_rs.Draft202012Validator({"pattern": pattern}, pattern_options=options)
