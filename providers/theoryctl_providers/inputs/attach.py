"""`{"$attach": name}` inside messages, and attachments that nobody references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from theoryctl_providers.contract import Attachment, ProviderError
from theoryctl_providers.contract.json_text import cut, json_path

KEY = "$attach"


def resolve_attachments(inputs: Mapping[str, Any], attachments: Sequence[Attachment]) -> dict[str, Any]:
    """A copy of `inputs` in which every content part `{"$attach": name}` is the `Attachment` of that name.

    A `$attach` may stand as a content part or as the whole content of a message. Attachments that no message
    references are appended to the last user message, in the order of their names.
    Raises ProviderError `ERR_ATTACHMENT` for a name that was not attached, a `$attach` elsewhere, and attachments with
    no user message to go to.
    """
    if not attachments and not _names_any(inputs):
        return dict(inputs)
    files = {attachment.name: attachment for attachment in attachments}
    messages = inputs.get("messages", [])
    used: set[str] = set()
    resolved = [_message(message, files, used, index) for index, message in enumerate(messages)]
    left = [files[name] for name in sorted(files) if name not in used]
    if left:
        _append(resolved, left)
    _refuse_elsewhere({key: value for key, value in inputs.items() if key != "messages"}, ())
    return {**inputs, "messages": resolved} if "messages" in inputs else dict(inputs)


def _names_any(value: Any) -> bool:
    """Tell whether there is a reference at any depth; most inputs have none."""
    found = [value]
    for each in found:  # which grows as it goes
        if isinstance(each, dict):
            if KEY in each:
                return True
            each = each.values()
        for item in each:
            if isinstance(item, (dict, list)):
                found.append(item)
    return False


def _message(message: Any, files: Mapping[str, Attachment], used: set[str], index: int) -> Any:
    if not isinstance(message, dict):
        return message
    path = ("messages", index, "content")
    content = message.get("content")
    if _is_reference(content):
        content = [content]
    if isinstance(content, list):
        content = [_part(part, files, used, (*path, at)) for at, part in enumerate(content)]
    rest = {key: value for key, value in message.items() if key != "content"}
    _refuse_elsewhere(rest, path[:2])
    return {**message, "content": content} if "content" in message else message


def _part(part: Any, files: Mapping[str, Attachment], used: set[str], path: tuple[str | int, ...]) -> Any:
    if not _is_reference(part):
        _refuse_elsewhere(part, path)
        return part
    name = part[KEY]
    if name not in files:
        raise _missing(name, files, path)
    used.add(name)
    return files[name]


def _is_reference(value: Any) -> bool:
    return isinstance(value, dict) and KEY in value


def _append(messages: list[Any], left: list[Attachment]) -> None:
    for index, message in reversed(list(enumerate(messages))):
        if isinstance(message, dict) and message.get("role") == "user":
            content = message.get("content")
            parts = content if isinstance(content, list) else [{"type": "text", "text": content}] if content else []
            messages[index] = {**message, "content": [*parts, *left]}
            return
    names = cut(", ".join(attachment.name for attachment in left))
    raise ProviderError(
        "ERR_ATTACHMENT",
        f"no message references the attachment {names}, and there is no user message to add it to",
        hint=f'put {{"{KEY}": "{cut(left[0].name)}"}} into the content of a message',
    )


def _missing(name: Any, files: Mapping[str, Attachment], path: tuple[str | int, ...]) -> ProviderError:
    name = cut(name) if isinstance(name, str) else f"{name!r:.200}"
    near = get_close_matches(name, files, n=1)
    known = f"attached are: {cut(', '.join(sorted(files)))}" if files else "nothing is attached"
    return ProviderError(
        "ERR_ATTACHMENT",
        f"{json_path(path)}: no attachment is called {name!r}; {known}",
        hint=f"write {near[0]!r}" if near else f"attach a file by the name {name}",
    )


def _refuse_elsewhere(value: Any, path: tuple[str | int, ...]) -> None:
    """Refuse a reference where nobody resolves it: it would reach the vendor as it stands."""
    if _is_reference(value) and isinstance(value[KEY], str):
        raise ProviderError(
            "ERR_ATTACHMENT",
            f"{json_path(path)}: {KEY} may stand only as the content of a message, or as a part of it",
            hint=f'write "content": [{{"{KEY}": "{cut(value[KEY])}"}}]',
        )
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        _refuse_elsewhere(item, (*path, key))
