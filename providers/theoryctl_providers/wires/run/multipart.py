"""The body of `POST /v1/run`: a JSON document, or multipart with the attachments streamed behind it."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Receive

from theoryctl_providers.asgi.body import chunks_of, receive_whole, too_large
from theoryctl_providers.contract import MAX_DEPTH, Attachment, ProviderError, loads
from theoryctl_providers.contract.run_document import AttachmentEntry, RunDocument
from theoryctl_providers.contract.wire import Limits
from theoryctl_providers.wires.multipart import Parts, boundary_of

#: Whether a call with this document reads its attachments, so that they have to be kept until its end.
Keeps = Callable[[RunDocument], bool]

#: The name of the first part, which holds the JSON document. Every other part is an attachment.
REQUEST_PART = "request"


@dataclass
class Received:
    """The document of a call, and its attachments as files without names: they vanish with it, however it ends."""

    document: RunDocument
    attachments: list[Attachment] = field(default_factory=list)
    files: list[Any] = field(default_factory=list)

    def close(self) -> None:
        """Let go of the attachments."""
        for file in self.files:
            file.close()


async def receive(content_type: str, messages: Receive, limits: Limits, keeps: Keeps) -> Received:
    """Read a call's body to its end.

    Raises ProviderError: `ERR_INPUTS` for what is no such body, `ERR_TOO_LARGE`, `ERR_ATTACHMENT` for a part that is
    not what the document says of it; ClientGone.
    """
    if content_type.lstrip().lower().startswith("multipart"):
        boundary = boundary_of(content_type)
        if boundary is not None:
            return await _multipart(boundary, chunks_of(messages), limits, keeps)
    document = _document(await receive_whole(messages, limits))
    if document.attachments:
        raise _mismatch("the document names attachments, and the body has no parts")
    return Received(document)


def _document(data: bytes) -> RunDocument:
    # One level more for what the inputs stand in.
    return RunDocument.load(loads(data, what="the body", depth=MAX_DEPTH + 1))


async def _multipart(boundary: bytes, chunks: AsyncIterator[bytes], limits: Limits, keeps: Keeps) -> Received:
    parts = _Call(limits, keeps)
    received: Received | None = None
    try:
        parser = parts.parser(boundary)
        async for chunk in chunks:
            parser.write(chunk)
        received = parts.finish()
    except ValueError as error:  # MultipartParseError and an empty boundary
        raise ProviderError(
            "ERR_INPUTS", f"the body is not multipart/form-data: {error}", hint="send it again"
        ) from None
    except OSError as error:
        message = f"the instance cannot keep the attachments: {error.strerror}"
        hint = "attach less, or give it more memory: resources.memory in the manifest"
        raise ProviderError("ERR_TOO_LARGE", message, hint=hint) from None
    finally:
        if received is None:
            parts.close()
    return received


class _Call(Parts):
    """Takes the parts of a call as they stream in: the document in memory, attachments to files."""

    def __init__(self, limits: Limits, keeps: Keeps) -> None:
        super().__init__()
        self._limits, self._keeps = limits, keeps
        self._document: RunDocument | None = None
        self._said: dict[str, AttachmentEntry] = {}
        self._kept = False
        self._text = bytearray()
        self._begun = False
        self._part: _FilePart | None = None
        self._files: list[_FilePart] = []

    def finish(self) -> Received:
        document = self._read_document()
        if len(self._said) != len(self._files):
            raise _mismatch("the attachments that came are not those the document names")
        files = [part.file for part in self._files if part.file]
        return Received(document, [part.checked(self._said[part.name]) for part in self._files], files)

    def close(self) -> None:
        for part in self._files:
            if part.file:
                part.file.close()

    def begin(self, name: str, filename: str | None) -> None:
        if not self._begun:
            if name != REQUEST_PART:
                raise ProviderError("ERR_INPUTS", f"the part {REQUEST_PART!r} must come first", hint="send it first")
            self._begun = True
            return
        self._read_document()
        if name not in self._said or any(part.name == name for part in self._files):
            raise _mismatch(f"the attachment {name!r:.200} is not one that the document names, or comes twice")
        self._part = _FilePart(name, self._limits.attachment, self._kept)
        self._files.append(self._part)

    def _read_document(self) -> RunDocument:
        """The document, which is whole as soon as another part begins."""
        if self._document is None:
            self._document = _document(bytes(self._text))
            self._said = {entry.name: entry for entry in self._document.attachments or ()}
            self._kept = self._keeps(self._document)
        return self._document

    def data(self, data: bytes) -> None:
        if self._part is not None:
            self._part.write(data)
            return
        self._text += data
        if len(self._text) > self._limits.body:
            raise too_large("the document", self._limits.body)


class _FilePart:
    """One attachment, hashed as it comes, on its way to a file without a name if it is kept."""

    def __init__(self, name: str, limit: int, kept: bool) -> None:
        self.name = name
        self.file = tempfile.TemporaryFile() if kept else None  # noqa: SIM115  # lives as long as the call
        self._limit, self._size, self._digest = limit, 0, hashlib.sha256()

    def write(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limit:
            raise too_large(f"attachment {self.name}", self._limit)
        self._digest.update(data)
        if self.file:
            self.file.write(data)

    def checked(self, said: AttachmentEntry) -> Attachment:
        digest = f"sha256:{self._digest.hexdigest()}"
        if (said.digest, said.size) != (digest, self._size):
            raise _mismatch(f"attachment {self.name} is not what was sent: {self._size} bytes, {digest}")
        path = ""
        if self.file:
            self.file.seek(0)  # flushes too; some systems share the position with whoever opens the path
            path = f"/dev/fd/{self.file.fileno()}"
        return Attachment(name=self.name, path=path, digest=digest, media_type=said.media_type, size=self._size)


def _mismatch(what: str) -> ProviderError:
    return ProviderError("ERR_ATTACHMENT", what, hint="send it again")
