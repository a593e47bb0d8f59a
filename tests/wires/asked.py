"""Forty requests in the vocabulary of `theoryctl local run`, and an answer as every wire can say it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from theoryctl_providers import run

PNG = "data:image/png;base64,iVBORw0KGgo="
PDF = "data:application/pdf;base64,JVBERi0xLjQK"

TEXTS = (
    "Say hello.",
    "",
    "  blanks  ",
    "Zwölf Boxkämpfer",
    "日本語のテキスト",
    "emoji 🙂🙃",
    'quotes "and" \\ backslashes',
    "line one\nline two\ttab",
    "\u2028 separators \u2029",
    "<script>alert(1)</script> & more",
    "a long text " * 40,
    '{"json": [1, 2.5, null]}',
)


def tool(name: str, **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": sorted(properties)}
    return {"type": "function", "function": {"name": name, "description": f"Do {name}.", "parameters": schema}}


WEATHER = tool("get_weather", city={"type": "string"}, days={"type": "integer", "minimum": 1})
PLACE = tool("find_place", near={"type": "array", "items": {"type": "number"}, "minItems": 2})
NAMED = {"type": "function", "function": {"name": "find_place"}}
ANSWER_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "mild": {"type": "boolean"}},
    "required": ["city", "mild"],
    "additionalProperties": False,
}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def called(call_id: str, name: str, arguments: Any, content: Any = None) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)}
    call = {"id": call_id, "type": "function", "function": function}
    return {"role": "assistant", "content": content, "tool_calls": [call]}


def result(call_id: str, content: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def parts(*texts: str, **last: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{"type": "text", "text": text} for text in texts]
    return [*found, last] if last else found


_TALK = [user("My printer is on fire"), {"role": "assistant", "content": "Urgent"}, user("And now?")]
_SYSTEM = {"role": "system", "content": "You sort tickets."}
_ROUND = [user("weather?"), called("call_1", "get_weather", {"city": "Forlì", "days": 2}), result("call_1", "sun")]
_IMAGE = {"type": "image_url", "image_url": {"url": PNG}}


def _conversation(*messages: Any, **more: Any) -> dict[str, Any]:
    return {"model": "a-model-of-today", "max_tokens": 300, "messages": list(messages), **more}


#: Requests that every wire can make.
ASKED: tuple[dict[str, Any], ...] = (
    *(_conversation(user(text)) for text in TEXTS),
    _conversation(_SYSTEM, user("Hi")),
    _conversation(_SYSTEM, *_TALK),
    _conversation(*_TALK),
    _conversation(user("warm"), temperature=1.5),
    _conversation(user("cold"), temperature=0),
    _conversation(user("nucleus"), top_p=0.25),
    _conversation(user("top"), top_k=40),
    _conversation(user("all of them"), temperature=0.7, top_p=0.5, top_k=3),
    _conversation(user("cut"), max_tokens=1),
    _conversation(user("cut later"), max_tokens=5),
    _conversation(user("stopped"), stop=["answer"]),
    _conversation(user("stopped somewhere"), stop=["nowhere", "to:"]),
    _conversation(user("tools, unforced"), tools=[WEATHER, PLACE]),
    _conversation(user("tools"), tools=[WEATHER, PLACE], tool_choice="auto"),
    _conversation(user("no tool"), tools=[WEATHER, PLACE], tool_choice="none"),
    _conversation(user("any tool"), tools=[WEATHER, PLACE], tool_choice="required"),
    _conversation(user("one tool"), tools=[WEATHER], tool_choice="required"),
    _conversation(_SYSTEM, user("any tool"), tools=[PLACE], tool_choice="required", temperature=0.1),
    _conversation(user("cut call"), tools=[PLACE], tool_choice="required", max_tokens=2),
    _conversation(*_ROUND, tools=[WEATHER]),
    _conversation(*_ROUND, tools=[WEATHER, PLACE], tool_choice="auto"),
    _conversation(*_ROUND, {"role": "assistant", "content": "It is sunny."}, user("Thanks"), tools=[WEATHER]),
    _conversation(user("schema"), response_format=("schema", ANSWER_SCHEMA)),
    _conversation(_SYSTEM, user("schema"), response_format=("schema", ANSWER_SCHEMA), temperature=0.2),
    _conversation(user("vendor's own"), extra_body={"new_switch": True, "levels": [1, 2]}),
    _conversation(_SYSTEM, user("much"), temperature=1, top_p=1, max_tokens=200, stop=["zzz"], tools=[WEATHER]),
)

#: Requests of which some wires have no form.
NAMED_TOOL = _conversation(user("that tool"), tools=[WEATHER, PLACE], tool_choice=NAMED)
PICTURE = _conversation(user([*parts("What is on it?"), _IMAGE]))
PICTURES = _conversation(user([_IMAGE, *parts("And on both?"), _IMAGE]), user("x"))
DOCUMENT = _conversation(
    user([{"type": "file", "file": {"filename": "paper.pdf", "file_data": PDF}}, *parts("Sum it up.")])
)
TWO_PARTS = _conversation(user(parts("one", "two")))
SYSTEM_PARTS = _conversation({"role": "system", "content": parts("one", "two")}, user("x"))


#: A script that calls a tool twice in a turn, and then answers.
TWO_CALLS = {
    "rules": [
        {"when": {"turn": 1}, "answers": [{
            "reasoning": "Hm.",
            "tool_calls": [{"name": "get_weather", "arguments": {"city": "Forlì"}},
                           {"name": "get_weather", "arguments": {"city": "Turin"}}],
            "usage": {"input_tokens": 9, "output_tokens": 8, "reasoning_tokens": 3},
        }]},
        {"answers": [{"text": "Sunny in both."}]},
    ]
}  # fmt: skip
#: A script that fails in the middle of an answer.
MIDWAY = {
    "rules": [{"answers": [{"chunks": [{"text": "one "}, {"text": "two"}], "fault": {"status": 503, "after": 1}}]}]
}


@dataclass(frozen=True)
class Said:
    """The answer as a client has it: text, the tools that are called with their arguments, and the reason it ended."""

    text: str
    calls: Sequence[tuple[str, Any]] = ()
    cut: bool = False

    @property
    def digest(self) -> str:
        """The digest that an envelope has of the same text."""
        return f"sha256:{sha256(self.text.encode()).hexdigest()}"


def by_local_run(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs of an envelope, by name."""
    envelope = run(inputs, provider="litellm", mode="mock")
    return {output["name"]: output for output in envelope["outputs"]}


def check_same(said: Said, outputs: Mapping[str, Any]) -> None:
    """Compare a client's answer with that of `theoryctl local run`."""
    answer = outputs.get("answer")
    if answer is not None and "text" in answer:
        assert said.digest == answer["digest"], (said.text, answer["text"])
    elif answer is not None:
        assert json.loads(said.text) == answer["json"]
    else:
        assert said.text == ""
    assert said.cut == (outputs["finish_reason"]["text"] == "length")
    calls = outputs["tool_calls"]["json"] if "tool_calls" in outputs else []
    if said.cut:
        assert [name for name, _ in said.calls] == [call["name"] for call in calls]
    else:
        assert list(said.calls) == [(call["name"], call["arguments"]) for call in calls]
