"""Arguments of calls, on APIs that have them as JSON and not as its text."""

from __future__ import annotations

from typing import Any

from theoryctl_providers.contract import ProviderError, loads
from theoryctl_providers.contract.answer import ToolCall


def arguments_of(call: ToolCall) -> Any:
    """The arguments of a call; an empty object where they were cut at the limit of tokens."""
    try:
        return loads("".join(call.arguments) or "{}")
    except ProviderError:
        return {}
