"""Items of the Responses API as messages and formats of chat completions, which is what providers take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from theoryctl_providers.wires.body import unsupported, wrong
from theoryctl_providers.wires.openai.encrypted_content import unpacked
from theoryctl_providers.wires.openai.responses.tool_items import CALLS, OUTPUTS, function_of_call, output_of
from theoryctl_providers.wires.openai.tools import function_name


class Conversation:
    """The messages that `instructions` and `input` (text, or a list of items) stand for.

    `earlier` are items of a conversation that goes on; they come after the instructions. `origins` says where each
    message came from: paths below `messages`, and the parameter that stood for what is there.
    Raises ProviderError: `ERR_INPUTS` for what is no item, `ERR_UNSUPPORTED_PARAM` for one with no counterpart.
    """

    def __init__(self, given: Any, instructions: Any, earlier: Sequence[Any] = ()) -> None:
        self.messages: list[Any] = []
        self.origins: dict[str, str] = {}
        # Reasoning that stands before the message it belongs to.
        self._reasoned: dict[str, Any] = {}
        if instructions is not None:
            self._add({"role": "system", "content": instructions}, "instructions", content="")
        for item in earlier:
            self._item(item, "previous_response_id")
        if isinstance(given, str):
            self._add({"role": "user", "content": given}, "input", content="")
        elif isinstance(given, list):
            for index, item in enumerate(given):
                self._item(item, f"input[{index}]")
        else:
            raise wrong("input", "expected a text or a list of items")

    def _item(self, item: Any, where: str) -> None:
        if not isinstance(item, dict):
            raise wrong(where, "expected an object")
        kind = item.get("type", "message")
        if not isinstance(kind, str):
            raise wrong(f"{where}.type", "expected a string")
        if kind == "message":
            self._add({"role": item.get("role"), "content": self._content(item.get("content"), where)}, where)
        elif kind == "function_call":
            self._call(item, where)
        elif kind in ("function_call_output", "custom_tool_call_output"):
            content = self._content(item.get("output"), where, "output")
            message = {"role": "tool", "tool_call_id": item.get("call_id"), "content": content}
            self._add(message, where, content=".output", tool_call_id=".call_id")
        elif kind == "reasoning":
            self._reasoning(item)
        elif kind == "image_generation_call":
            self._turn(where).setdefault("images", []).append(_image(item, where))
        elif kind in CALLS:
            self._called(kind, item, where)
        elif kind in OUTPUTS:
            key = OUTPUTS[kind]
            call_id = item.get("call_id") or item.get("id")
            self._add({"role": "tool", "tool_call_id": call_id, "content": output_of(kind, item)}, where, content=key)
        else:
            raise unsupported(where, f"an item of type {kind!r:.200} has no counterpart in chat completions")

    def _add(self, message: dict[str, Any], origin: str, **renamed: str) -> None:
        self._note(f"messages[{len(self.messages)}]", origin, renamed)
        if message.get("role") == "assistant":
            message |= self._reasoned
        self._reasoned = {}
        self.messages.append(message)

    def _called(self, kind: str, item: Mapping[str, Any], where: str) -> None:
        """A call of a tool that is no function, as one of its function."""
        name, arguments = function_of_call(kind, item, where)
        self._call({**item, "name": name, "namespace": None, "arguments": arguments}, where)

    def _call(self, item: Mapping[str, Any], where: str) -> None:
        """One call, in its turn's message; the Responses API lists them one by one."""
        calls = self._turn(where).setdefault("tool_calls", [])
        path = f"messages[{len(self.messages) - 1}].tool_calls[{len(calls)}]"
        self._note(path, where, {"function": "", "id": ".call_id"})
        name, namespace = item.get("name"), item.get("namespace")
        if isinstance(name, str) and isinstance(namespace, str):
            name = function_name(name, namespace)
        function = {"name": name, "arguments": item.get("arguments")}
        extra = _kept(item, "extra_content")
        calls.append({"id": item.get("call_id"), "type": "function", "function": function, **extra})

    def _turn(self, where: str) -> dict[str, Any]:
        """The assistant's message that holds all of a turn."""
        if not self.messages or self.messages[-1].get("role") != "assistant":
            self._add({"role": "assistant", "content": None}, where)
        message: dict[str, Any] = self.messages[-1]
        return message

    def _reasoning(self, item: Mapping[str, Any]) -> None:
        """Add what a model said to itself to its turn, whose message may be yet to come."""
        content = item.get("content")
        parts = [part for part in (content if isinstance(content, list) else ()) if isinstance(part, dict)]
        text = "".join(str(part.get("text") or "") for part in parts if part.get("type") == "reasoning_text")
        is_begun = self.messages and self.messages[-1].get("role") == "assistant"
        turn = self.messages[-1] if is_begun else self._reasoned
        if text:
            turn["reasoning_content"] = turn.get("reasoning_content", "") + text
        turn |= unpacked(item.get("encrypted_content"))

    def _content(self, content: Any, where: str, key: str = "content") -> Any:
        if not isinstance(content, list):
            return content
        return [self._part(part, index, f"{where}.{key}[{index}]") for index, part in enumerate(content)]

    def _part(self, part: Any, index: int, where: str) -> Any:
        """A part of the message that is added next."""
        renamed = {"image_url.url": ".image_url", "image_url.detail": ".detail", "file": ""}
        self._note(f"messages[{len(self.messages)}].content[{index}]", where, renamed)
        return _part(part, where)

    def _note(self, path: str, origin: str, renamed: Mapping[str, str]) -> None:
        self.origins[path] = origin
        self.origins.update((f"{path}.{name}", origin + ending) for name, ending in renamed.items())


def _image(item: Mapping[str, Any], where: str) -> dict[str, Any]:
    """An image that the model made, as it stands in its message."""
    result, url = item.get("result"), item.get("url")
    if isinstance(result, str):
        url = f"data:image/{item.get('output_format') or 'png'};base64,{result}"
    if not isinstance(url, str):
        raise wrong(f"{where}.result", "expected the image in base64")
    return {"type": "image_url", "image_url": {"url": url}}


def response_format_of(wanted: Any) -> Any:
    """Translate `text.format` to a `response_format`, which has the schema one level deeper."""
    if isinstance(wanted, dict) and wanted.get("type") == "json_schema":
        return {"type": "json_schema", "json_schema": _without(wanted, "type")}
    return wanted


def _part(part: Any, where: str) -> Any:
    if not isinstance(part, dict):
        raise wrong(where, "expected an object")
    match part.get("type"):
        case "input_text" | "output_text":
            return {"type": "text", "text": part.get("text")}
        case "input_image" if part.get("image_url"):
            image = {"url": part["image_url"], **_kept(part, "detail")}
            return {"type": "image_url", "image_url": image}
        case "input_file" if not part.get("file_url"):
            return {"type": "file", "file": _kept(part, "file_data", "file_id", "filename")}
        case "input_audio" | "refusal":
            return part
    raise unsupported(where, f"a part of type {part.get('type')!r:.200} has no counterpart in chat completions")


def _without(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: item for name, item in value.items() if name != key and item is not None}


def _kept(value: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return _stated((key, value.get(key)) for key in keys)


def _stated(items: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {key: value for key, value in items if value is not None}
