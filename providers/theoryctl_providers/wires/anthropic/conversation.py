"""Content blocks of Anthropic's messages as messages of chat completions, which is what providers take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theoryctl_providers.contract import dumps
from theoryctl_providers.wires.body import stated, unsupported, wrong

#: Blocks of reasoning, which go back as they came.
_THINKING = ("thinking", "redacted_thinking")


class Conversation:
    """The messages that `system` and `messages` of a request stand for.

    `origins` says where each came from: paths below `messages`, and the parameter that stood for what is there.
    Raises ProviderError: `ERR_INPUTS` for what is no block, `ERR_UNSUPPORTED_PARAM` for one with no counterpart.
    """

    def __init__(self, system: Any, given: Any) -> None:
        self.messages: Any = []
        self.origins: dict[str, str] = {}
        if system is not None:
            self._add("system", system, "system", "system")
        if not isinstance(given, list):
            self.messages = given
            return
        for index, message in enumerate(given):
            self._message(message, f"messages[{index}]")

    def _message(self, message: Any, where: str) -> None:
        if not isinstance(message, dict):
            raise wrong(where, "expected an object")
        role, content = message.get("role"), message.get("content")
        if role == "assistant" and isinstance(content, list):
            self._assistant(content, where)
        elif role == "user" and isinstance(content, list):
            self._user(content, where)
        else:
            more = {name: value for name, value in message.items() if name not in ("role", "content")}
            self._add(role, content, f"{where}.content", where, **more)

    def _user(self, blocks: list[Any], where: str) -> None:
        """The results of tools, each a message of its own, and what the user says beside them."""
        parts: list[tuple[Any, str]] = []
        for index, block in enumerate(blocks):
            at = f"{where}.content[{index}]"
            if isinstance(block, dict) and block.get("type") == "tool_result":
                self._say("user", parts, where)
                parts = []
                self._result(block, at)
            else:
                parts.append((block, at))
        if parts or not blocks:
            self._say("user", parts, where, must=True)

    def _say(self, role: str, parts: list[tuple[Any, str]], where: str, *, must: bool = False) -> None:
        if parts or must:
            self._note(where)
            self._push(
                {"role": role, "content": [self._part(part, index, at) for index, (part, at) in enumerate(parts)]}
            )

    def _result(self, block: Mapping[str, Any], where: str) -> None:
        self._note(where, tool_call_id=".tool_use_id")
        content = block.get("content")
        if isinstance(content, list):
            content = [self._part(part, index, f"{where}.content[{index}]") for index, part in enumerate(content)]
        message = {"role": "tool", "tool_call_id": block.get("tool_use_id"), "content": _plain(content or "")}
        self._push({**message, **_cached(block)})

    def _assistant(self, blocks: list[Any], where: str) -> None:
        """All of a turn in one message: its words, what it said to itself, and its calls."""
        self._note(where)
        message: dict[str, Any] = {"role": "assistant", "content": None}
        parts: list[Any] = []
        for index, block in enumerate(blocks):
            at = f"{where}.content[{index}]"
            kind = block.get("type") if isinstance(block, dict) else None
            if kind == "tool_use":
                self._call(message, block, at)
            elif kind in _THINKING:
                _think(message, block)
            else:
                parts.append(self._part(block, len(parts), at))
        if parts:
            message["content"] = _plain(parts)
        self._push(message)

    def _call(self, message: dict[str, Any], block: Mapping[str, Any], where: str) -> None:
        if not isinstance(block.get("input"), dict):
            raise wrong(f"{where}.input", "expected an object")
        calls = message.setdefault("tool_calls", [])
        path = f"messages[{len(self.messages)}].tool_calls[{len(calls)}]"
        self.origins |= {path: where, f"{path}.function": where, f"{path}.function.arguments": f"{where}.input"}
        function = {"name": block.get("name"), "arguments": dumps(block["input"])}
        calls.append({"id": block.get("id"), "type": "function", "function": function, **_cached(block)})

    def _add(self, role: Any, content: Any, where: str, origin: str, **more: Any) -> None:
        self._note(origin, content=where.removeprefix(origin))
        if isinstance(content, list):
            content = [self._part(part, index, f"{where}[{index}]") for index, part in enumerate(content)]
        self._push({"role": role, "content": content, **more})

    def _part(self, block: Any, index: int, where: str) -> dict[str, Any]:
        """A part of the message that is added next."""
        path = f"messages[{len(self.messages)}].content[{index}]"
        self.origins |= {path: where, f"{path}.image_url": f"{where}.source", f"{path}.file": f"{where}.source"}
        return part_of(block, where)

    def _note(self, origin: str, **renamed: str) -> None:
        path = f"messages[{len(self.messages)}]"
        self.origins[path] = origin
        self.origins |= {f"{path}.{name}": origin + ending for name, ending in renamed.items()}

    def _push(self, message: dict[str, Any]) -> None:
        self.messages.append(message)


def part_of(block: Any, where: str) -> dict[str, Any]:
    """A block as a content part. Raises ProviderError as `Conversation` does."""
    if not isinstance(block, dict):
        raise wrong(where, "expected an object")
    match block.get("type"):
        case "text":
            return {"type": "text", "text": block.get("text"), **_cached(block)}
        case "image":
            return {"type": "image_url", "image_url": {"url": _address(block, where)}, **_cached(block)}
        case "document":
            return {**_document(block, where), **_cached(block)}
    raise unsupported(where, f"a block of type {block.get('type')!r:.200} has no counterpart in other vendors' APIs")


def _document(block: Mapping[str, Any], where: str) -> dict[str, Any]:
    given = stated(block)
    if given.get("citations", {}) not in ({}, {"enabled": False}):
        raise unsupported(f"{where}.citations", "no other vendor cites documents")
    if "context" in given:
        raise unsupported(f"{where}.context", "no other vendor takes it")
    source = given.get("source")
    kind = source.get("type") if isinstance(source, dict) else None
    if isinstance(source, dict) and kind == "text":
        return {"type": "text", "text": source.get("data")}
    if kind == "url":
        return {"type": "file", "file": {"file_id": _address(block, where)}}
    return {"type": "file", "file": {"filename": given.get("title", "document"), "file_data": _address(block, where)}}


def _address(block: Mapping[str, Any], where: str) -> str:
    """The address of an image or document: a `data:` URL (RFC 2397) of one that came as bytes."""
    source = block.get("source")
    if not isinstance(source, dict):
        raise wrong(f"{where}.source", "expected an object")
    kind, media_type, data, url = (source.get(name) for name in ("type", "media_type", "data", "url"))
    if kind == "base64" and isinstance(media_type, str) and isinstance(data, str):
        return f"data:{media_type};base64,{data}"
    if kind == "url" and isinstance(url, str):
        return url
    if kind in ("base64", "url"):
        raise wrong(f"{where}.source", "expected media_type and data of base64, or a url")
    raise unsupported(f"{where}.source", f"a source of type {kind!r:.200} is one of Anthropic's own")


def _think(message: dict[str, Any], block: Mapping[str, Any]) -> None:
    """Add a block of reasoning; one that nobody signed is words, and was a vendor's that signs none."""
    thought = block.get("thinking")
    if block.get("type") == "thinking" and not block.get("signature") and isinstance(thought, str):
        message["reasoning_content"] = message.get("reasoning_content", "") + thought
    else:
        message.setdefault("thinking_blocks", []).append(dict(block))


def _cached(block: Mapping[str, Any]) -> dict[str, Any]:
    control = block.get("cache_control")
    return {} if control is None else {"cache_control": control}


def _plain(content: Any) -> Any:
    """One part of text alone as that text: not every vendor takes parts in the place of it."""
    is_alone = isinstance(content, list) and len(content) == 1 and set(content[0]) == {"type", "text"}
    return content[0]["text"] if is_alone else content
