"""Outputs on disk: `--save-dir`."""

from __future__ import annotations

import os
import re
from pathlib import Path

from theoryctl.errors import OutputFailed, UsageError
from theoryctl.paths import replace_file
from theoryctl_providers.contract import Envelope, OutputDocument, canonical

_ENDINGS = {"text/plain": "txt", "application/json": "json", "text/markdown": "md"}


def check_folder(folder: str) -> None:
    """Raise UsageError unless outputs can be written to `folder`, which need not be there yet. Creates nothing."""
    path = Path(folder).absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    if not path.is_dir():
        raise UsageError(f"--save-dir {folder}: {path} is not a folder", hint="name a folder")
    if not os.access(path, os.W_OK | os.X_OK):
        raise UsageError(f"--save-dir {folder}: {path} may not be written to", hint="name a folder of your own")


def save_outputs(envelope: Envelope, folder: str) -> Envelope:
    """Write every output to a file and name the files in a copy of the envelope; `size` and `digest` are theirs.

    Raises OutputFailed (`ERR_OUTPUT`) when one cannot be written; then none is left.
    """
    written: list[Path] = []
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        outputs = [_save(output, Path(folder), written) for output in envelope["outputs"]]
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        raise OutputFailed(
            f"--save-dir {folder}: {error.strerror}", hint="free some space, or name another folder"
        ) from error
    return {**envelope, "outputs": outputs}


def _save(output: OutputDocument, folder: Path, written: list[Path]) -> OutputDocument:
    path = folder / file_name(output)
    data = canonical(output["json"]) if "json" in output else output["text"].encode()
    replace_file(path, data, private=False)
    written.append(path)
    rest = {key: value for key, value in output.items() if key not in ("json", "text")}
    document: OutputDocument = {**rest, "path": str(path)}  # type: ignore[typeddict-item]
    return document


def file_name(output: OutputDocument) -> str:
    """The output's name without anything that means something to a file system, and an ending for its media type."""
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", output["name"]).lstrip(".") or "output"
    ending = _ENDINGS.get(output["media_type"].partition(";")[0], "bin")
    return f"{stem}.{ending}"
