"""Images and speech in vendors' answers: their bytes, and their media types."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from theoryctl_providers.contract import Output, ProviderError
from theoryctl_providers.litellm.parts import in_json

_UNKNOWN = "application/octet-stream"

#: Beginnings of files (mimesniff.spec.whatwg.org, sections 6.1 and 6.2; of FLAC, RFC 9639, section 8.1).
_SIGNATURES = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"OggS": "audio/ogg",
    b"ID3": "audio/mpeg",
    b"\xff\xfb": "audio/mpeg",
    b"fLaC": "audio/flac",
}

#: Kinds of files in a RIFF container, at its ninth byte.
_IN_RIFF = {b"WAVE": "audio/wav", b"WEBP": "image/webp"}


def file_of(address: str) -> tuple[str, str | bytes]:
    """The media type and content of a `data:` URL (RFC 2397); of another, a list of that one (RFC 2483)."""
    head, comma, data = address.partition(",")
    if head.startswith("data:") and comma and head.endswith(";base64"):
        content = _unpacked(data)
        if content is not None:
            return head.removeprefix("data:").partition(";")[0] or media_type_of(content), content
    return "text/uri-list", address


def media_type_of(content: bytes) -> str:
    """The media type of a file, by its signature."""
    if content.startswith(b"RIFF"):
        return _IN_RIFF.get(content[8:12], _UNKNOWN)
    return next((kind for start, kind in _SIGNATURES.items() if content.startswith(start)), _UNKNOWN)


def _unpacked(data: str) -> bytes | None:
    """The bytes in base64; None where it is none. Lines as in mail and a missing end are harmless, and seen."""
    packed = "".join(data.split()).rstrip("=")
    try:
        return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


class Audio:
    """The speech of one choice, put together from the pieces of `message.audio` or `delta.audio`.

    OpenAI sends each piece of a stream in a base64 of its own, others cut the text of one (platform.openai.com/docs/
    api-reference/chat-streaming, `delta.audio`).
    """

    def __init__(self) -> None:
        self._data: list[str] = []
        self._facts: dict[str, Any] = {}
        self._media_type: str | None = None

    def __bool__(self) -> bool:
        return bool(self._data)

    def feed(self, said: Any) -> str:
        """Take in one piece; return what it says in words."""
        if not isinstance(said, Mapping):
            return ""
        if isinstance(said.get("data"), str) and said["data"]:
            self._data.append(said["data"])
        self._facts |= {name: in_json(value) for name, value in said.items() if name in _FACTS and value is not None}
        self._media_type = said.get("media_type") or self._media_type
        transcript = said.get("transcript")
        return transcript if isinstance(transcript, str) else ""

    def outputs(self) -> Iterator[Output]:
        """The speech, and by which name the vendor knows it in a later turn.

        Raises ProviderError `ERR_BAD_RESPONSE` for data that are no base64.
        """
        if self._data:
            apart = all(len(piece) % 4 == 0 for piece in self._data)
            pieces = [_unpacked(piece) for piece in (self._data if apart else ["".join(self._data)])]
            content = b"".join(_decoded(piece) for piece in pieces)
            yield Output("audio", self._media_type or media_type_of(content), content)
        if self._facts:
            yield Output("audio_reference", "application/json", self._facts)


#: Fields of OpenAI's audio beside its data: a later message of the assistant's says `{"audio": {"id": …}}`.
_FACTS = ("id", "expires_at")


def _decoded(content: bytes | None) -> bytes:
    if content is None:
        message = "the answer holds audio that is not in base64"
        raise ProviderError("ERR_BAD_RESPONSE", message, hint="try again")
    return content
