"""Validated manifests, kept so that the next run needs neither YAML nor pydantic.

A cache entry is keyed by what it was made from (the file's bytes, its ref, theoryctl's version and the model's own
source), and starts with the digest of the rest: an entry that is damaged, or that another user could have written, is
not believed, and one that cannot be written is done without.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from shlex import quote

from theoryctl.errors import BadManifest
from theoryctl.manifests import model
from theoryctl.manifests.model import MAX_BYTES, Manifest
from theoryctl.paths import ForeignFolder, cache_dir, only_mine, write_private
from theoryctl.refs import ProviderRef
from theoryctl_providers.contract import VERSION, canonical, open_regular, read_regular, sha256, shaped

#: Bytes of an entry: as JSON a manifest may take a little more than as YAML.
_MAX_ENTRY = 4 * MAX_BYTES


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
        return read_regular(file, MAX_BYTES)
    except OSError as error:
        raise BadManifest(f"{file}: cannot be read: {error.strerror}", hint=f"ls -l {quote(str(file))}") from error


def _key(data: bytes, ref: ProviderRef) -> str:
    # The model's time-stamp is for whoever changes the model without changing the version.
    stamp = f"{VERSION} {os.stat(model.__file__).st_mtime_ns} {ref}\n"
    return sha256(stamp.encode() + data).removeprefix("sha256:")


def _cached(entry: Path) -> Manifest | None:
    try:
        with open(open_regular(entry), "rb") as file:
            digest, _, body = file.read(_MAX_ENTRY).partition(b"\n")
            if not only_mine(os.fstat(file.fileno())) or digest.decode(errors="replace") != sha256(body):
                return None
        manifest: Manifest = shaped(Manifest, json.loads(body))
        return manifest
    except (OSError, ValueError):
        return None


def _checked(data: bytes, file: Path, ref: ProviderRef) -> Manifest:
    from theoryctl.manifests.check import check_manifest

    return check_manifest(data, str(file), ref=ref)
