"""Keyed digests of inputs and outputs: equal ones can be told here, and nobody elsewhere can guess what they are of."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theoryctl.paths import state_dir, write_private
from theoryctl_providers.contract import ProviderError, canonical, read_regular

if TYPE_CHECKING:
    from theoryctl_providers.contract import Attachment, OutputDocument

#: Bytes of the key: as many as the digest has (RFC 2104, section 3).
_BYTES = 32


def key() -> bytes:
    """Return the key of this state folder, made at its first use. Raises OSError."""
    file = state_dir() / "ledger.key"
    with suppress(FileNotFoundError):
        return _read(file)
    fresh = file.with_name(f".ledger.key.{os.getpid()}")
    write_private(fresh, os.urandom(_BYTES))
    try:
        os.link(fresh, file)  # unlike a rename it fails where another process was faster, whose key counts
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return _read(file)


def _read(file: Path) -> bytes:
    found = read_regular(file, _BYTES)
    if len(found) != _BYTES:
        raise OSError(errno.EINVAL, f"expected {_BYTES} bytes", str(file))
    return found


def key_id(with_key: bytes) -> str:
    """Return a name of a key: digests are compared only where it is the same, as in one state folder."""
    return _keyed(b"key", with_key)


def inputs_digest(
    inputs: Any, attachments: Iterable[Attachment], with_key: bytes, *, checked: bool = False
) -> str | None:
    """Return the digest of inputs and of the files with them; None for inputs that have no form in JSON.

    `checked` inputs are known to have one.
    """
    files = {file.name: file.digest for file in attachments}
    try:
        return _keyed(canonical({"inputs": inputs, "files": files}, checked=checked), with_key)
    except (ProviderError, RecursionError):
        return None


def outputs_digest(outputs: Iterable[OutputDocument], with_key: bytes) -> str | None:
    """Return the digest of outputs, by the names and digests that an envelope gives; None where there are none."""
    found = {output["name"]: output["digest"] for output in outputs}
    return _keyed(canonical(found, checked=True), with_key) if found else None


def _keyed(data: bytes, with_key: bytes) -> str:
    import hmac

    return f"hmac-sha256:{hmac.digest(with_key, data, 'sha256').hex()}"
