"""Validated manifests, kept so that the next run needs neither YAML nor pydantic.

A cache entry is keyed by what it was made from (the file's bytes, its ref, theoryctl's version and the model's own
source), and starts with the digest of the rest: an entry that is damaged, or that another user could have written, is
not believed, and one that cannot be written is done without.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from pathlib import Path

from theoryctl.errors import BadManifest
from theoryctl.manifests import model
from theoryctl.manifests.model import MAX_BYTES, Manifest
from theoryctl.paths import ForeignFolder, cache_dir, only_mine, write_private
from theoryctl.refs import ProviderRef
from theoryctl_providers.contract import VERSION, canonical, sha256, shaped


def load_manifest(file: Path, ref: ProviderRef) -> Manifest:
    """The validated manifest in `file`. Raises BadManifest (`ERR_MANIFEST`)."""
    data = read_manifest(file)
    try:
        entry = cache_dir() / "manifests" / f"{_key(data, ref)}.json"
    except ForeignFolder:
        return _checked(data, file, ref)
    manifest = _cached(entry)
    if manifest is None:
        manifest = _checked(data, file, ref)
        body = canonical(manifest.document())
        with contextlib.suppress(OSError):  # a read-only home costs speed, nothing else
            write_private(entry, sha256(body).encode() + b"\n" + body)
    return manifest


def read_manifest(file: Path) -> bytes:
    """The bytes of a manifest file, at most `MAX_BYTES` + 1: one more than it may have, for the check to see.

    Raises BadManifest when it cannot be read, or is no regular file.
    """
    try:
        with open(file, "rb", opener=_without_waiting) as opened:
            if stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                return opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadManifest(f"{file}: cannot be read: {error.strerror}", hint=f"ls -l {file}") from error
    raise BadManifest(f"{file}: cannot be read: it is not a regular file", hint=f"ls -l {file}")


def _without_waiting(file: str, flags: int) -> int:
    # A FIFO that nobody writes to would keep open() waiting.
    return os.open(file, flags | getattr(os, "O_NONBLOCK", 0))


def _key(data: bytes, ref: ProviderRef) -> str:
    # The model's time-stamp is for whoever changes the model without changing the version.
    stamp = f"{VERSION} {os.stat(model.__file__).st_mtime_ns} {ref}\n"
    return sha256(stamp.encode() + data).removeprefix("sha256:")


def _cached(entry: Path) -> Manifest | None:
    try:
        with entry.open("rb") as file:
            digest, _, body = file.read().partition(b"\n")
            if not only_mine(os.fstat(file.fileno())) or digest.decode(errors="replace") != sha256(body):
                return None
        manifest: Manifest = shaped(Manifest, json.loads(body))
        return manifest
    except (OSError, ValueError):
        return None


def _checked(data: bytes, file: Path, ref: ProviderRef) -> Manifest:
    from theoryctl.manifests.check import check_manifest

    return check_manifest(data, str(file), ref=ref)
