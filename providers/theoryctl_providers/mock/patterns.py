"""Regular expressions that people write, matched in time linear in the text."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from theoryctl_providers.contract import ProviderError, dumps

#: Bytes that a compiled regular expression may take, so that `a{999}{999}` is refused.
PATTERN_BYTES = 1 << 20


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> Any:
    """A matcher whose `is_valid(text)` takes time linear in the text. Raises ProviderError `ERR_SCRIPT` for none."""
    # Rust's regex engine by way of JSON Schema's `pattern`: it cannot backtrack, and it is here already.
    import jsonschema_rs

    options = jsonschema_rs.RegexOptions(size_limit=PATTERN_BYTES)
    try:
        return jsonschema_rs.Draft202012Validator({"pattern": pattern}, pattern_options=options)
    except ValueError:
        message = f"the script's regex {dumps(pattern)} is none, or too large"
        raise ProviderError("ERR_SCRIPT", message, hint="there are no look-arounds and no back references") from None
