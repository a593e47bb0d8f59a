"""Attachments on their way to Modal: small ones inside the call, large ones through the app's Volume."""

from __future__ import annotations

import base64
from pathlib import Path
from shlex import quote
from typing import Any

from theoryctl.errors import BadAttachment
from theoryctl.modal.deployment import Deployment
from theoryctl.modal.names import volume_name
from theoryctl.modal.sdk import found, upload
from theoryctl_providers.contract import Attachment, Request, is_mock, sha256

#: Bytes of attachments that travel inside one call, all together.
INSIDE = 1 << 20


def sent(modal: Any, deployment: Deployment, request: Request) -> list[dict[str, Any]]:
    """The attachments as the shim takes them; large ones are in the Volume afterwards.

    In mock mode nothing is sent: the digests are all that a provider gets. Raises BadAttachment for a file that changed
    since it was hashed.
    """
    if is_mock(request.effective_mode):
        return [dict(file.public()) for file in request.attachments]
    left, documents, large = INSIDE, [], []
    for file in request.attachments:
        document: dict[str, Any] = dict(file.public())
        if file.size <= left:
            left -= file.size
            document["data"] = _data(file)
        else:
            document["volume"] = _name(file)
            large.append(file)
        documents.append(document)
    if large:
        _upload(modal, deployment, large)
    return documents


def _data(file: Attachment) -> str:
    try:
        data = Path(file.path).read_bytes()
    except OSError as error:
        raise BadAttachment(f"attachment {file.name}: {error.strerror}", hint=f"ls -l {quote(file.path)}") from None
    if sha256(data) != file.digest:
        raise _changed(file)
    return base64.b64encode(data).decode()


def _name(file: Attachment) -> str:
    """Name a file in the Volume by its bytes: the same bytes lie there once."""
    return file.digest.replace(":", "/")


def _upload(modal: Any, deployment: Deployment, files: list[Attachment]) -> None:
    name, environment = volume_name(deployment.app), deployment.environment
    volume = modal.Volume.from_name(name, environment_name=environment, create_if_missing=True)
    missing = [file for file in files if not _is_there(modal, volume, file)]
    if not missing:
        return
    try:
        size = sum({file.digest: file.size for file in missing}.values())
        upload(volume, {_name(file): file.path for file in missing}, size, "the attachments")
        _check(volume, missing)
    except (FileNotFoundError, PermissionError) as error:
        raise BadAttachment(
            f"an attachment went away while it was read: {error.filename}", hint="run it again"
        ) from None


def _check(volume: Any, uploaded: list[Attachment]) -> None:
    for file in uploaded:
        if _digest(file) != file.digest:  # what lies there must be what its name says
            volume.remove_file(_name(file))
            raise _changed(file)


def _digest(file: Attachment) -> str:
    import hashlib

    with open(file.path, "rb") as opened:
        return f"sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}"


def _changed(file: Attachment) -> BadAttachment:
    return BadAttachment(f"attachment {file.name} has changed while it was read", hint="run it again")


def _is_there(modal: Any, volume: Any, file: Attachment) -> bool:
    """Tell whether the Volume has it whole: an upload may have been killed."""
    return any(entry.size == file.size for entry in found(modal, volume.listdir, _name(file)) or ())
