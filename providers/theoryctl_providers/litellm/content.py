"""Attachments as OpenAI content parts: the one place where their bytes are read."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from theoryctl_providers.contract import Attachment, ProviderError, sha256

#: Media types that vendors take as plain text although they are not `text/*`; none takes SVG as an image.
_TEXT_TYPES = ("application/json", "application/xml", "application/yaml", "application/toml", "image/svg+xml")

#: OpenAI names audio formats by their usual ending.
_AUDIO_FORMATS = {"mpeg": "mp3", "mp4": "m4a"}


def as_openai(message: dict[str, Any]) -> dict[str, Any]:
    """A message with every `Attachment` among its content parts turned into what OpenAI's chat API takes."""
    content = message.get("content")
    if not isinstance(content, list):
        return message
    return {**message, "content": [_part(part) if isinstance(part, Attachment) else part for part in content]}


def _part(attachment: Attachment) -> dict[str, Any]:
    data = _read(attachment)
    kind, _, subtype = attachment.media_type.partition("/")
    if kind == "text" or attachment.media_type in _TEXT_TYPES:
        return {"type": "text", "text": _text(attachment, data)}
    if kind == "image":
        return {"type": "image_url", "image_url": {"url": _data_url(attachment, data)}}
    if kind == "audio":
        audio = {"data": _base64(data), "format": _AUDIO_FORMATS.get(subtype, subtype)}
        return {"type": "input_audio", "input_audio": audio}
    return {"type": "file", "file": {"filename": attachment.name, "file_data": _data_url(attachment, data)}}


def _read(attachment: Attachment) -> bytes:
    hint = "attach the file again"
    try:
        data = Path(attachment.path).read_bytes()
    except OSError as error:
        raise ProviderError("ERR_ATTACHMENT", f"attachment {attachment.name}: {error.strerror}", hint=hint) from error
    if sha256(data) != attachment.digest:
        raise ProviderError("ERR_ATTACHMENT", f"attachment {attachment.name} changed since it was checked", hint=hint)
    return data


def _text(attachment: Attachment, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ProviderError(
            "ERR_ATTACHMENT",
            f"attachment {attachment.name} is {attachment.media_type}, but not UTF-8",
            hint="convert it to UTF-8",
        ) from None


def _data_url(attachment: Attachment, data: bytes) -> str:
    return f"data:{attachment.media_type};base64,{_base64(data)}"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
