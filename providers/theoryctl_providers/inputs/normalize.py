"""Normalize inputs before they are validated, so that one body means the same to every command and every wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theoryctl_providers.contract.calls import TRANSPORT

#: Parameters of OpenAI's API about the caller's account and its caches. A vendor gets them; neither the mock's answer
#: nor the key of a recording depends on them.
CALLER = frozenset(
    (
        "metadata",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "user",
    )
)

#: Parameters that say nothing about what is asked.
UNCOUNTED = CALLER | TRANSPORT

#: Keys that OpenAI writes into the messages of its answers, or its client into those that it parses (`parsed`,
#: openai/types/chat/parsed_chat_completion.py), and that clients send back with them.
_ANSWERED = frozenset(("annotations", "parsed"))


def normalized(inputs: Any, schema: Mapping[str, Any], vendor: str | None = None) -> Any:
    """Return inputs with each parameter once and in one form.

    A null parameter is left out, for clients log and send null for unset, unless `schema` declares that it may be null;
    so is a null in a message, but for its content, and the index of a tool call in it. A model without a vendor gets
    `vendor`. Parameters about the caller that a closed schema does not declare are left out: clients send some of them
    with every request.
    """
    if not isinstance(inputs, dict):
        return inputs
    stated = dict(inputs)
    if None in inputs.values() or not CALLER.isdisjoint(inputs):
        stated = {name: value for name, value in inputs.items() if _is_stated(name, value, schema)}
    if isinstance(stated.get("messages"), list):
        stated["messages"] = [_message(message) for message in stated["messages"]]
    if "model" in stated:
        stated["model"] = qualified(stated["model"], vendor)
    return stated


def counted(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return inputs without the parameters about the caller."""
    if CALLER.isdisjoint(inputs):
        return inputs
    return {name: value for name, value in inputs.items() if name not in CALLER}


def qualified(model: Any, vendor: str | None) -> Any:
    """Put `vendor` before a model's name that has none."""
    return f"{vendor}/{model}" if vendor and isinstance(model, str) and model and "/" not in model else model


def vendor_in(model: str | None) -> str | None:
    """Return the vendor in a model's name, None for a name without one."""
    vendor, slash, _ = (model or "").partition("/")
    return vendor if slash else None


def _is_stated(name: str, value: Any, schema: Mapping[str, Any]) -> bool:
    if value is None:
        return _takes_null(schema.get("properties", {}).get(name))
    return name not in CALLER or schema.get("additionalProperties") is not False or name in schema.get("properties", {})


def _takes_null(declared: Any) -> bool:
    """Return whether a property's own `type` says that null is one of its values."""
    kinds = declared.get("type") if isinstance(declared, dict) else None
    return kinds == "null" or (isinstance(kinds, list) and "null" in kinds)


def _message(message: Any) -> Any:
    if not isinstance(message, dict):
        return message
    if None in message.values() or not _ANSWERED.isdisjoint(message):
        stated = ((key, value) for key, value in message.items() if key not in _ANSWERED)
        message = {key: value for key, value in stated if key == "content" or value is not None}
    if isinstance(calls := message.get("tool_calls"), list):
        return {**message, "tool_calls": [_call(call) for call in calls]}
    return message


def _call(call: Any) -> Any:
    """A call of a tool without its place in the stream that it came in, and without its arguments as parsed by OpenAI's
    client: no vendor takes them back."""
    if not isinstance(call, dict):
        return call
    if _is_count(call.get("index")):
        call = {key: value for key, value in call.items() if key != "index"}
    function = call.get("function")
    if isinstance(function, dict) and "parsed_arguments" in function:
        return {**call, "function": {key: value for key, value in function.items() if key != "parsed_arguments"}}
    return call


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
