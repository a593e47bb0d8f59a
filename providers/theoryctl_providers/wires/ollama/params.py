"""Parameters that chats and completions of Ollama share, in the vocabulary of chat completions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theoryctl_providers.wires.body import object_in, schema_format, stated, wrong

SHARED = (
    *("model", "stream", "format", "options", "keep_alive", "think", "logprobs", "top_logprobs"),
    *("truncate", "shift", "extra_body"),
)

#: Options with the same meaning in chat completions. All others are Ollama's own.
_SAME = ("temperature", "top_p", "top_k", "min_p", "seed", "stop", "presence_penalty", "frequency_penalty")

#: How the parameters of chat completions that an error may name are called here.
PARAMS = {name: f"options.{name}" for name in _SAME} | {
    "max_tokens": "options.num_predict",
    "response_format": "format",
    "reasoning_effort": "think",
}


def shared_inputs(body: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs of all but the conversation. Raises ProviderError `ERR_INPUTS`."""
    given, options = stated(body), object_in(body, "options")
    inputs = {name: options[name] for name in _SAME if name in options and options[name] != []}
    if (limit := options.get("num_predict")) is not None and limit not in (-1, -2):  # as many as there are
        inputs["max_tokens"] = limit
    inputs |= {name: given[name] for name in ("model", "top_logprobs") if name in given}
    level = given.get("think")
    more = {
        "logprobs": given.get("logprobs") or None,
        "response_format": _format_of(given.get("format")),
        "reasoning_effort": level if isinstance(level, str) else None,
        "extra_body": _extra_of(given, options) or None,
    }
    return {**inputs, **stated(more)}


def is_streamed(body: Mapping[str, Any]) -> bool:
    """Return whether the answer is wanted in pieces; unsaid, it is. Raises ProviderError `ERR_INPUTS`."""
    value = body.get("stream")
    if value is None or isinstance(value, bool):
        return value is not False
    raise wrong("stream", "expected boolean")


def _format_of(wanted: Any) -> dict[str, Any] | None:
    if wanted in (None, ""):
        return None
    if wanted == "json":
        return {"type": "json_object"}
    if isinstance(wanted, dict):
        return schema_format(wanted)
    raise wrong("format", f"expected json or a JSON Schema, got {wanted!r:.60}")


def _extra_of(given: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Options that Ollama alone understands, for its own models."""
    own = {name: value for name, value in options.items() if name not in (*_SAME, "num_predict")}
    beside = {name: given[name] for name in ("keep_alive", "truncate", "shift") if name in given}
    think = {"think": given["think"]} if isinstance(given.get("think"), bool) else {}
    return own | beside | think | object_in(given, "extra_body")
