"""Attachments: `NAME=PATH`, checked before anything starts, hashed in one streaming pass."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from shlex import quote

from theoryctl.errors import BadAttachment, UsageError
from theoryctl.hints import Hint, again, path_hint
from theoryctl.requests.spool import Spool
from theoryctl.requests.standard_input import AWAITED, NAMES
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
        message = f"--max-attachment: expected a size, as 100MiB, 5MB or a number of bytes, got {text!r:.100}"
        raise UsageError(message, hint="write it as 100MiB, 5MB or a number of bytes")
    return int(match[1]) * _UNITS[match[2] or "B"]


def load_attachments(arguments: Sequence[str], limit: int, spool: Spool | None = None) -> tuple[Attachment, ...]:
    """The attachments of `NAME=PATH` arguments, each at most `limit` bytes.

    All of them are checked before the first is read. What can be read only once goes to a file of `spool`: standard
    input, as `-` or /dev/stdin, and a pipe that the shell has opened, as in `NAME=<(command)`.
    Raises BadAttachment (`ERR_ATTACHMENT`).
    """
    pairs = [_split(arguments, at) for at in range(len(arguments))]
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise BadAttachment(f"two attachments are called {name!r}", hint="give each --attach a name of its own")
    for at, (name, path) in enumerate(pairs):
        if not _is_stream(path):
            _check(name, path, limit, partial(_with_another, arguments, at, name))
    return tuple(_load(name, path, limit, spool or Spool()) for name, path in pairs)


def load_files(paths: Mapping[str, str], limit: int) -> tuple[Attachment, ...]:
    """The attachments in regular files, by name, each at most `limit` bytes. Raises BadAttachment, as for a stream of
    this process."""
    for name, path in paths.items():
        if path in NAMES or _is_stream(path):
            message = f"attachment {name}: expected a file, got {path}, a stream of this process"
            raise BadAttachment(message, hint="write it to a file, and attach that")
        _check(name, path, limit, lambda near: again(f"use {near}"))
    return tuple(_load(name, path, limit, Spool()) for name, path in paths.items())


def check_name(name: str, example: str) -> None:
    """Raise BadAttachment for what cannot be the name of an attachment; `example` is one that can, as it is written."""
    if not _NAME.fullmatch(name):
        raise BadAttachment(
            f"attachment name {name[:100]!r} may hold only letters, digits, '.', '-' and '_', after a letter or digit",
            hint=f"write it as {example}",
        )


def attaches_standard_input(argument: str) -> bool:
    """Return whether a `NAME=PATH` argument is standard input."""
    return argument.partition("=")[2] in NAMES


def _is_stream(path: str) -> bool:
    """Return whether a path is standard input or a pipe that is open already; another pipe may have no writer."""
    if path in NAMES:
        return True
    if os.path.dirname(path) not in ("/dev/fd", "/proc/self/fd"):
        return False
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except OSError:
        return False


def _split(arguments: Sequence[str], at: int) -> tuple[str, str]:
    argument = arguments[at]
    name, equals, path = argument.partition("=")
    if not equals or not path:
        hint: str = "write it as image=photo.jpg"
        if os.path.isfile(argument):
            hint = _with_another(arguments, at, name_for(argument), argument)
        raise BadAttachment(f"--attach {argument!r} is not NAME=PATH", hint=hint)
    check_name(name, "image=photo.jpg")
    return name, path


def _check(name: str, path: str, limit: int, use: Callable[[str], Hint]) -> None:
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadAttachment(f"attachment {name}: {path}: {reason}", hint=path_hint(path, error, use)) from None
    if not stat.S_ISREG(found.st_mode):
        raise BadAttachment(
            f"attachment {name}: {path} is not a regular file", hint="attach a file, not a folder or device"
        )
    if not os.access(path, os.R_OK):
        raise BadAttachment(f"attachment {name}: {path} may not be read", hint=f"chmod u+r {quote(path)}")
    if found.st_size > limit:
        raise _too_large(name, path, found.st_size, limit)


def _with_another(arguments: Sequence[str], at: int, name: str, path: str) -> Hint:
    """The command with another path for one of its attachments."""
    return again(f"use {path}", attach=(*arguments[:at], f"{name}={path}", *arguments[at + 1 :]))


def name_for(path: str) -> str:
    """A name for the file of a path: its own without the ending, as far as a name may hold it."""
    stem = os.path.splitext(os.path.basename(path))[0]
    return re.sub(r"[^A-Za-z0-9._-]", "-", stem).strip("._-")[:64] or "file"


def _too_large(name: str, path: str, size: int, limit: int) -> BadAttachment:
    return BadAttachment(
        f"attachment {name}: {path} has {size} bytes; at most {limit} are allowed",
        hint=again("send a smaller file, or raise --max-attachment", max_attachment=size),
    )


def _load(name: str, path: str, limit: int, spool: Spool) -> Attachment:
    digest, size, head = hashlib.sha256(), 0, b""
    try:
        with spool.file(name) if _is_stream(path) else nullcontext() as copy:
            for chunk in _chunks(path, spool):
                head = head or chunk
                digest.update(chunk)
                size += len(chunk)
                if size > limit:  # it grew since it was checked
                    raise _too_large(name, path, size, limit)
                if copy is not None:
                    copy.write(chunk)
    except OSError as error:
        raise BadAttachment(f"attachment {name}: {path}: {error.strerror}", hint=f"ls -l {quote(path)}") from error
    return Attachment(
        name=name,
        path=os.path.abspath(copy.name if copy is not None else path),
        digest=f"sha256:{digest.hexdigest()}",
        media_type=media_type(path, head),
        size=size,
    )


def _chunks(path: str, spool: Spool) -> Iterable[bytes]:
    if path in NAMES:
        return spool.standard_input.chunks(AWAITED)
    return _read(path)


def _read(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def media_type(path: str, head: bytes) -> str:
    """The media type by content, then by the name's ending, then text or not; the same on every machine."""
    import filetype

    by_content: str | None = filetype.guess_mime(head)
    if by_content and by_content != _CONTAINER:
        return _ALIASES.get(by_content, by_content)
    default = by_content or ("text/plain" if is_text(head) else "application/octet-stream")
    return _BY_ENDING.get(os.path.splitext(path)[1].lower(), default)


def is_text(head: bytes) -> bool:
    """Return whether the first bytes of a file are UTF-8 text."""
    if b"\0" in head:
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 3  # the head may end in the middle of a character
    return True
