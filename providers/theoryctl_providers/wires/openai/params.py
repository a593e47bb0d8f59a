"""The parameter of OpenAI's API that means the same in several exchanges, and its refusal."""

from __future__ import annotations

from typing import Any

from theoryctl_providers.wires.body import unsupported


def choice_of(choice: Any) -> Any:
    """A `tool_choice` as it is. Raises ProviderError `ERR_UNSUPPORTED_PARAM` for one of another kind of tool."""
    kind = choice.get("type", "function") if isinstance(choice, dict) else "function"
    if isinstance(kind, str) and kind != "function":
        raise unsupported("tool_choice", f"only a function can be chosen, not {kind!r:.200}")
    return choice
