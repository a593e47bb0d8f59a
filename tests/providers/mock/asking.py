"""Requests to the mock, and what it answers."""

from __future__ import annotations

from typing import Any

from theoryctl_providers import run

WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 7}},
            "required": ["city", "days"],
            "additionalProperties": False,
        },
    },
}
CLOCK = {"type": "function", "function": {"name": "get_time"}}


def ask(text: str = "Hello", **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **more}


def outputs(inputs: dict[str, Any], **options: Any) -> dict[str, Any]:
    """The outputs of a mock run by name: text or JSON."""
    envelope = run(inputs, **options)
    return {output["name"]: output.get("json", output.get("text")) for output in envelope["outputs"]}
