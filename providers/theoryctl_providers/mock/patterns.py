"""Regular expressions that people write, matched in time linear in the text."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from theoryctl_providers.contract import ProviderError, dumps


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> Any:
    """A matcher whose `is_valid(text)` takes time linear in the text. Raises ProviderError `ERR_SCRIPT` for none."""
    from theoryctl_providers.authored.patterns import compiled

    try:
        return compiled(pattern)
    except ValueError:
        message = f"the script's regex {dumps(pattern)} is none, or too large"
        raise ProviderError("ERR_SCRIPT", message, hint="there are no look-arounds and no back references") from None
