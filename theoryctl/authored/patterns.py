"""Regular expressions in scripts, compiled as where they are matched (`theoryctl_providers.mock.patterns`)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

#: Bytes that a compiled regular expression may take, where it is matched too.
_PATTERN_BYTES = 1 << 20


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Any:
    """Return a matcher with `is_valid(text)`. Raises ValueError for a pattern that is none, or too large."""
    import jsonschema_rs

    options = jsonschema_rs.RegexOptions(size_limit=_PATTERN_BYTES)
    return jsonschema_rs.Draft202012Validator({"pattern": pattern}, pattern_options=options)
