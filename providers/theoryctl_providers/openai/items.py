"""Items of the Responses API as messages, tools and formats of chat completions, which is what providers take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from theoryctl_providers.openai.body import choice_of, unsupported, wrong

#: Items that a model leaves for itself; the messages around them say the same without.
_PRIVATE = ("reasoning",)


def messages_of(given: Any, instructions: Any) -> list[Any]:
    """The conversation that `instructions` and `input` (text, or a list of items) stand for.

    Raises ProviderError: `ERR_INPUTS` for what is no item, `ERR_UNSUPPORTED_PARAM` for one with no counterpart.
    """
    messages: list[Any] = [] if instructions is None else [{"role": "system", "content": instructions}]
    if isinstance(given, str):
        return [*messages, {"role": "user", "content": given}]
    if not isinstance(given, list):
        raise wrong("input", "expected a text or a list of items")
    for index, item in enumerate(given):
        _add(messages, item, f"input[{index}]")
    return messages


def tools_of(tools: Any) -> Any:
    """Function tools as chat completions have them: one level deeper. Raises ProviderError for any other kind."""
    if not isinstance(tools, list):
        return tools
    return [_tool(tool, f"tools[{index}]") for index, tool in enumerate(tools)]


def tool_choice_of(choice: Any) -> Any:
    """As `tools_of`; a word stays what it is."""
    if isinstance(choice_of(choice), dict) and choice.get("type") == "function":
        return {"type": "function", "function": {"name": choice.get("name")}}
    return choice


def response_format_of(wanted: Any) -> Any:
    """`text.format` as a `response_format`: its schema one level deeper."""
    if isinstance(wanted, dict) and wanted.get("type") == "json_schema":
        return {"type": "json_schema", "json_schema": _without(wanted, "type")}
    return wanted


def _add(messages: list[Any], item: Any, where: str) -> None:
    if not isinstance(item, dict):
        raise wrong(where, "expected an object")
    kind = item.get("type", "message")
    if kind == "message":
        messages.append({"role": item.get("role"), "content": _content(item.get("content"), where)})
    elif kind == "function_call":
        _calling(messages)["tool_calls"].append(_call(item))
    elif kind == "function_call_output":
        content = _content(item.get("output"), where, "output")
        messages.append({"role": "tool", "tool_call_id": item.get("call_id"), "content": content})
    elif kind not in _PRIVATE:
        raise unsupported(where, f"an item of type {kind!r} has no counterpart in chat completions")


def _calling(messages: list[Any]) -> dict[str, Any]:
    """The assistant's message that holds the calls of one turn, which the Responses API lists one by one."""
    if not messages or messages[-1].get("role") != "assistant":
        messages.append({"role": "assistant", "content": None})
    last: dict[str, Any] = messages[-1]
    last.setdefault("tool_calls", [])
    return last


def _call(item: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": item.get("name"), "arguments": item.get("arguments")}
    return {"id": item.get("call_id"), "type": "function", "function": function}


def _content(content: Any, where: str, key: str = "content") -> Any:
    if not isinstance(content, list):
        return content
    return [_part(part, f"{where}.{key}[{index}]") for index, part in enumerate(content)]


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
    raise unsupported(where, f"a part of type {part.get('type')!r} has no counterpart in chat completions")


def _tool(tool: Any, where: str) -> Any:
    if not isinstance(tool, dict) or tool.get("type") != "function":
        raise unsupported(where, "only function tools run outside of OpenAI")
    return {"type": "function", "function": _without(tool, "type")}


def _without(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: item for name, item in value.items() if name != key and item is not None}


def _kept(value: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return _stated((key, value.get(key)) for key in keys)


def _stated(items: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {key: value for key, value in items if value is not None}
