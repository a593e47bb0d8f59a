"""Attachments: `NAME=PATH`, checked before anything starts, hashed in one streaming pass."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Sequence

from theoryctl.errors import BadAttachment, UsageError
from theoryctl.hints import again
from theoryctl_providers.contract import Attachment

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_SIZE = re.compile(r"([0-9]{1,12})\s*(B|KB|MB|GB|KiB|MiB|GiB)?", re.ASCII)
_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_CHUNK = 1 << 20

#: What the `filetype` library calls by older names than OpenAI and IANA do.
_ALIASES = {"audio/x-wav": "audio/wav", "audio/x-flac": "audio/flac", "audio/x-aiff": "audio/aiff"}


#: What office documents are by content, all alike.
_CONTAINER = "application/zip"

#: What content alone does not tell. `mimetypes` would answer by machine and Python version.
_BY_ENDING = {
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".pdf": "application/pdf",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".md": "text/markdown",
    ".svg": "image/svg+xml",
    ".toml": "application/toml",
    ".xml": "application/xml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}


def parse_size(text: str) -> int:
    """Bytes from `1024`, `5MB` or `100MiB`. Raises UsageError."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"--max-attachment {text!r} is not a size", hint="write it as 100MiB, 5MB or a number of bytes"
        )
    return int(match[1]) * _UNITS[match[2] or "B"]


def load_attachments(arguments: Sequence[str], limit: int) -> tuple[Attachment, ...]:
    """The attachments of `NAME=PATH` arguments, each at most `limit` bytes.

    All of them are checked before the first is read. Raises BadAttachment (`ERR_ATTACHMENT`).
    """
    pairs = [_split(argument) for argument in arguments]
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise BadAttachment(f"two attachments are called {name!r}", hint="give each --attach a name of its own")
    for name, path in pairs:
        _check(name, path, limit)
    return tuple(_load(name, path, limit) for name, path in pairs)


def _split(argument: str) -> tuple[str, str]:
    name, equals, path = argument.partition("=")
    if not equals or not path:
        raise BadAttachment(f"--attach {argument!r} is not NAME=PATH", hint="write it as image=photo.jpg is")
    if not _NAME.fullmatch(name):
        raise BadAttachment(
            f"attachment name {name!r} may hold only letters, digits, '.', '-' and '_', after a letter or digit",
            hint="write it as image=photo.jpg is",
        )
    return name, path


def _check(name: str, path: str, limit: int) -> None:
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadAttachment(f"attachment {name}: {path}: {reason}", hint="check the path") from None
    if not stat.S_ISREG(found.st_mode):
        raise BadAttachment(
            f"attachment {name}: {path} is not a regular file", hint="attach a file, not a folder or device"
        )
    if not os.access(path, os.R_OK):
        raise BadAttachment(f"attachment {name}: {path} may not be read", hint=f"chmod u+r {path}")
    if found.st_size > limit:
        raise _too_large(name, path, found.st_size, limit)


def _too_large(name: str, path: str, size: int, limit: int) -> BadAttachment:
    return BadAttachment(
        f"attachment {name}: {path} has {size} bytes; at most {limit} are allowed",
        hint=again("send a smaller file, or raise --max-attachment", max_attachment=size),
    )


def _load(name: str, path: str, limit: int) -> Attachment:
    digest, size, head = hashlib.sha256(), 0, b""
    try:
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK):
                head = head or chunk
                digest.update(chunk)
                size += len(chunk)
                if size > limit:  # it grew since it was checked
                    raise _too_large(name, path, size, limit)
    except OSError as error:
        raise BadAttachment(f"attachment {name}: {path}: {error.strerror}", hint=f"ls -l {path}") from error
    return Attachment(
        name=name,
        path=os.path.abspath(path),
        digest=f"sha256:{digest.hexdigest()}",
        media_type=media_type(path, head),
        size=size,
    )


def media_type(path: str, head: bytes) -> str:
    """The media type by content, then by the name's ending, then text or not; the same on every machine."""
    import filetype

    by_content: str | None = filetype.guess_mime(head)
    if by_content and by_content != _CONTAINER:
        return _ALIASES.get(by_content, by_content)
    default = by_content or ("text/plain" if _is_text(head) else "application/octet-stream")
    return _BY_ENDING.get(os.path.splitext(path)[1].lower(), default)


def _is_text(head: bytes) -> bool:
    if b"\0" in head:
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 3  # the head may end in the middle of a character
    return True
