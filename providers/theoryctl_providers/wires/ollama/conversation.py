"""Messages of Ollama as messages of chat completions: calls of tools get ids, and images are parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theoryctl_providers.contract import dumps
from theoryctl_providers.wires.body import stated, wrong
from theoryctl_providers.wires.call_ids import CallIds

#: Beginnings of images in base64, by their signatures. Ollama's clients do not say what they send.
_KINDS = {"iVBORw0KGgo": "png", "/9j/": "jpeg", "R0lGOD": "gif", "UklGR": "webp"}

_KNOWN = frozenset(("role", "content", "images", "tool_calls", "thinking", "tool_name", "tool_call_id"))


class Conversation:
    """The messages that those of a request stand for. Raises ProviderError `ERR_INPUTS` for what is none.

    `origins` says what paths below them are called in the request.
    """

    def __init__(self, given: Any) -> None:
        self.messages: Any = []
        self.origins: dict[str, str] = {}
        self._ids = CallIds()
        if not isinstance(given, list):
            self.messages = given
            return
        for index, message in enumerate(given):
            self.messages.append(self._message(message, f"messages[{index}]"))

    def _message(self, given: Any, where: str) -> dict[str, Any]:
        if not isinstance(given, dict):
            raise wrong(where, "expected an object")
        message = stated(given)
        kept = {name: value for name, value in message.items() if name not in _KNOWN}
        told = {
            "role": message.get("role"),
            "content": content_of(message.get("content", ""), message.get("images"), where),
        }
        if "images" in message:
            self.origins |= _image_paths(where, message["images"], bool(message.get("content")))
        if thought := message.get("thinking"):
            told["reasoning_content"] = thought
        if calls := message.get("tool_calls"):
            told |= {"content": told["content"] or None, "tool_calls": self._calls(calls, where)}
        if message.get("role") == "tool":
            told["tool_call_id"] = self._ids.answered(message.get("tool_name"), message.get("tool_call_id"))
        return {**told, **kept}

    def _calls(self, calls: Any, where: str) -> list[dict[str, Any]]:
        if not isinstance(calls, list):
            raise wrong(f"{where}.tool_calls", "expected array")
        return [self._call(call, f"{where}.tool_calls[{index}]") for index, call in enumerate(calls)]

    def _call(self, call: Any, where: str) -> dict[str, Any]:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("arguments", {}), dict):
            raise wrong(f"{where}.function", "expected an object, with an object as arguments")
        name = function.get("name")
        called = {"name": name, "arguments": dumps(function.get("arguments", {}))}
        return {"id": self._ids.called(name, call.get("id")), "type": "function", "function": called}


def content_of(text: Any, images: Any, where: str) -> Any:
    """A text, or with images the parts of a message. Raises ProviderError `ERR_INPUTS` for images that are none."""
    if not images:
        return text
    if not isinstance(images, list) or not all(isinstance(image, str) for image in images):
        raise wrong(f"{where}.images".removeprefix("."), "expected a list of images in base64")
    parts = [{"type": "text", "text": text}] if text else []
    return [*parts, *({"type": "image_url", "image_url": {"url": _address(image)}} for image in images)]


def _address(image: str) -> str:
    kind = next((kind for start, kind in _KINDS.items() if image.startswith(start)), "png")
    return f"data:image/{kind};base64,{image}"


def _image_paths(where: str, images: Any, has_text: bool) -> Mapping[str, str]:
    count = len(images) if isinstance(images, list) else 0
    return {f"{where}.content[{at + has_text}]": f"{where}.images[{at}]" for at in range(count)}
