"""What OpenAI's clients send, before it is translated: models without a vendor, nulls, and what is no input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theoryctl_providers.contract import ProviderError

#: Parameters that are about the caller's account and its caches, and never about the answer. Clients send some of them
#: with every request, so they are taken and left out, in both modes.
IGNORED = frozenset(
    (
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
    )
)


def stated(body: Mapping[str, Any], *ignored: str) -> dict[str, Any]:
    """The parameters that say something: OpenAI takes null for absent."""
    left_out = IGNORED.union(ignored)
    return {key: value for key, value in body.items() if value is not None and key not in left_out}


def qualified(model: Any, default: str | None) -> Any:
    """A model's name as a provider takes it: clients of OpenAI name no vendor, so it is that of the default model."""
    vendor, slash, _ = (default or "").partition("/")
    return f"{vendor}/{model}" if slash and isinstance(model, str) and "/" not in model and model else model


def choice_of(choice: Any) -> Any:
    """A `tool_choice` as it is. Raises ProviderError `ERR_UNSUPPORTED_PARAM` for one of another kind of tool."""
    kind = choice.get("type", "function") if isinstance(choice, dict) else "function"
    if isinstance(kind, str) and kind != "function":
        raise unsupported("tool_choice", f"only a function can be chosen, not {kind!r}")
    return choice


def is_streamed(body: Mapping[str, Any]) -> bool:
    """Whether the answer is wanted in pieces. Raises ProviderError `ERR_INPUTS` for a value that is no boolean."""
    value = body.get("stream")
    if value is None or isinstance(value, bool):
        return bool(value)
    raise wrong("stream", "expected boolean")


def wrong(param: str, reason: str) -> ProviderError:
    """A parameter that cannot be translated at all; all others are left to the engine's schema."""
    return ProviderError("ERR_INPUTS", f"inputs: $.{param}: {reason}", hint=f"change {param}", param=param)


def unsupported(param: str, reason: str) -> ProviderError:
    """A parameter that asks for what a started provider does not do."""
    return ProviderError(
        "ERR_UNSUPPORTED_PARAM", f"inputs: $.{param}: {reason}", hint=f"leave {param} out", param=param
    )
