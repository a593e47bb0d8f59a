"""Contents of Gemini as messages of chat completions, which is what providers take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theoryctl_providers.contract import dumps
from theoryctl_providers.wires.body import check_keys, unsupported, word_in, wrong
from theoryctl_providers.wires.call_ids import CallIds
from theoryctl_providers.wires.gemini.names import camel

_ROLES: Mapping[str | None, str] = {"user": "user", "model": "assistant", "function": "user", None: "user"}

#: Keys of a part that is a file: its bytes, or its address.
_FILES = ("inlineData", "fileData")

#: Keys of a part that is a text or a file; the metadata are the client's own.
_KNOWN = frozenset(("text", *_FILES, "thought", "thoughtSignature", "partMetadata"))


class Conversation:
    """The messages that `systemInstruction` and `contents` of a request stand for.

    `origins` says where each came from. Raises ProviderError: `ERR_INPUTS` for what is no content,
    `ERR_UNSUPPORTED_PARAM` for a part with no counterpart.
    """

    def __init__(self, system: Any, contents: Any) -> None:
        self.messages: list[dict[str, Any]] = []
        self.origins: dict[str, str] = {}
        self._ids = CallIds()
        if system is not None:
            self._content({"parts": parts_of(system, "systemInstruction")}, "systemInstruction", "system")
        if contents is None:
            raise wrong("contents", "'contents' is missing")
        given = contents if isinstance(contents, list) else [contents]
        for index, content in enumerate(given):
            at = f"contents[{index}]" if isinstance(contents, list) else "contents"
            self._content({"parts": parts_of(content, at)}, at, _role_of(content, at))

    def _content(self, content: Mapping[str, Any], where: str, role: str) -> None:
        """A content as one message; the results of tools are messages of their own before it."""
        said: list[tuple[dict[str, Any], str]] = []
        message: dict[str, Any] = {"role": role}
        for index, given in enumerate(content["parts"]):
            at = f"{where}.parts[{index}]"
            part = camel(given)
            if "functionResponse" in part:
                self._result(part["functionResponse"], f"{at}.functionResponse")
            elif "functionCall" in part:
                self._call(message, part, f"{at}.functionCall")
            elif part.get("thought"):
                message["reasoning_content"] = message.get("reasoning_content", "") + str(part.get("text") or "")
            else:
                said.append((_part(part, at), at))
        if said or len(message) > 1 or not content["parts"]:
            path = f"messages[{len(self.messages)}]"
            self.origins |= {path: where, **{f"{path}.content[{at}]": place for at, (_, place) in enumerate(said)}}
            content_ = _plain([part for part, _ in said])
            self.messages.append({**message, "content": content_ if said or role != "assistant" else None})

    def _call(self, message: dict[str, Any], part: Mapping[str, Any], where: str) -> None:
        call = part["functionCall"]
        if not isinstance(call, dict) or not isinstance(call.get("args") or {}, dict):
            raise wrong(where, "expected an object, with an object as args")
        function = {"name": call.get("name"), "arguments": dumps(call.get("args") or {})}
        called = {"id": self._ids.called(call.get("name"), call.get("id")), "type": "function", "function": function}
        if signature := part.get("thoughtSignature"):
            called["extra_content"] = {"google": {"thought_signature": signature}}
        message.setdefault("tool_calls", []).append(called)

    def _result(self, response: Any, where: str) -> None:
        if not isinstance(response, dict):
            raise wrong(where, "expected an object")
        call_id = self._ids.answered(response.get("name"), response.get("id"))
        self.origins[f"messages[{len(self.messages)}]"] = where
        content: Any = dumps(response.get("response") or {})
        if files := _files(response, f"{where}.parts"):
            content = [{"type": "text", "text": content}, *files]
        self.messages.append({"role": "tool", "tool_call_id": call_id, "content": content})


def parts_of(content: Any, where: str) -> list[Any]:
    """The parts of a content, each an object. Raises ProviderError `ERR_INPUTS`."""
    if isinstance(content, str):
        return [{"text": content}]
    parts = content.get("parts", []) if isinstance(content, dict) else None
    parts = [parts] if isinstance(parts, dict) else parts
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise wrong(where, "expected an object with a list of parts")
    check_keys(content, ("role", "parts"), where)
    return parts


def _files(response: Mapping[str, Any], where: str) -> list[Any]:
    """The pictures and files of a function's result. Raises ProviderError: `ERR_INPUTS`, `ERR_UNSUPPORTED_PARAM`."""
    parts = parts_of({"parts": response.get("parts") or []}, where)
    return [_file_part(camel(part), f"{where}[{at}]") for at, part in enumerate(parts)]


def _file_part(part: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A picture or file of a function's result, which holds nothing else (google-genai, types.FunctionResponsePart)."""
    if (others := [name for name in part if name not in _FILES]) or not part:
        named = f"{where}.{others[0]:.100}" if others else where
        raise unsupported(named, f"the result of a function has parts with {' or '.join(_FILES)} alone")
    for kind, file in part.items():
        if isinstance(file, dict) and "displayName" in camel(file):
            # The response may name its files by it, and would name nothing.
            raise unsupported(f"{where}.{kind}.displayName", "it has no counterpart in other vendors' APIs")
    return _part(part, where)


def _role_of(content: Any, where: str) -> str:
    return word_in(content.get("role") if isinstance(content, dict) else None, _ROLES, f"{where}.role")


def _part(part: Mapping[str, Any], where: str) -> dict[str, Any]:
    if beside := [name for name in part if name not in _KNOWN] if _KNOWN.intersection(part) else []:
        raise unsupported(f"{where}.{beside[0]:.100}", "it has no counterpart in other vendors' APIs")
    if len(said := [name for name in ("text", *_FILES) if name in part]) > 1:
        raise wrong(where, f"expected a part with one of these, got {' and '.join(said)}")
    if "text" in part:
        return {"type": "text", "text": part["text"]}
    if isinstance(data := part.get("inlineData"), dict):
        given = camel(data)
        return _file(str(given.get("mimeType")), f"data:{given.get('mimeType')};base64,{given.get('data')}", given)
    if isinstance(data := part.get("fileData"), dict):
        given = camel(data)
        return _file(str(given.get("mimeType")), str(given.get("fileUri")), given)
    names = ", ".join(map(str, part)) or "nothing"
    raise unsupported(where, f"a part with {names:.100} has no counterpart in other vendors' APIs")


def _file(media_type: str, address: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """A picture, or a file of another kind: its bytes in a `data:` URL (RFC 2397), or its address."""
    if media_type.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": address}}
    if address.startswith("data:"):
        return {"type": "file", "file": {"filename": given.get("displayName") or "document", "file_data": address}}
    return {"type": "file", "file": {"file_id": address}}


def _plain(parts: list[dict[str, Any]]) -> Any:
    """One part of text alone as that text: not every vendor takes parts in the place of it."""
    return parts[0]["text"] if len(parts) == 1 and parts[0]["type"] == "text" else parts
