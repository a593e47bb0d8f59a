"""Answers in the formats of vendors, and a vendor that gives them once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CASES = Path(__file__).parent / "cases"
STREAMS = {name: case["events"] for name, case in json.loads((CASES / "vendor_streams.json").read_text()).items()}
WEATHER, TIME = {"city": "Turin"}, {"zone": "CET"}

CALLS = [
    {"id": "call_a", "name": "get_weather", "arguments": WEATHER},
    {"id": "call_b", "name": "get_time", "arguments": TIME},
]

HEAD = {"id": "chatcmpl-1", "created": 1, "model": "m-2024"}

#: What each of the streams must become.
EXPECTED: dict[str, dict[str, Any]] = {
    "reasoning": {"answer": "42", "reasoning": "Let me think. Done.", "finish_reason": "stop"},
    "refusal": {"refusal": "I can't help with that.", "finish_reason": "stop"},
    "emptystop": {"answer": "", "finish_reason": "stop"},
    "noindex": {"tool_calls": CALLS, "finish_reason": "tool_calls"},
    "dupindex": {"tool_calls": CALLS, "finish_reason": "tool_calls"},
    "noid": {
        "tool_calls": [{**CALLS[0], "id": "call_0"}, {**CALLS[1], "id": "call_1"}],
        "finish_reason": "tool_calls",
    },
    "images": {"image": "iVBORw0KGgo=", "finish_reason": "stop"},
    "citations": {
        "answer": "See [1]",
        "annotations": [{"type": "url_citation", "url_citation": {"url": "https://example.com"}}],
        "finish_reason": "stop",
    },
    "usage0": {"answer": "Hello there friend", "finish_reason": "stop"},
    "cfilter": {"answer": "Half an ans", "finish_reason": "content_filter"},
}


def choice(message: dict[str, Any], reason: str | None = "stop", index: int = 0, **more: Any) -> dict[str, Any]:
    return {"index": index, "message": {"role": "assistant", **message}, "finish_reason": reason, **more}


def completion(*choices: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A whole answer in OpenAI's format."""
    return {**HEAD, "object": "chat.completion", "choices": list(choices), **more}


def chunks(*deltas: dict[str, Any], reason: str = "stop") -> list[dict[str, Any]]:
    """An answer in OpenAI's format, streamed."""
    made = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    return [{**HEAD, "object": "chat.completion.chunk", **chunk} for chunk in (*made, last(reason))]


def last(reason: str, index: int = 0) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": {}, "finish_reason": reason}]}


def function(name: str | None, arguments: str | None, **more: Any) -> dict[str, Any]:
    """A delta with a piece of a tool call."""
    return {"tool_calls": [{"type": "function", "function": {"name": name, "arguments": arguments}, **more}]}
