"""Outputs on disk: `--save-dir`."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from theoryctl.errors import OutputFailed
from theoryctl.requests.result_folder import ResultFolder
from theoryctl_providers.contract import Envelope, OutputDocument, canonical, info_of, replace_file

_ENDINGS = {
    "text/plain": "txt",
    "application/json": "json",
    "text/markdown": "md",
    "text/uri-list": "uri",
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/gif": "gif",
}


class OutputFolder(ResultFolder):
    """The folder of `--save-dir`."""

    def __init__(self, folder: str) -> None:
        super().__init__("--save-dir", folder)

    def save(self, envelope: Envelope) -> Envelope:
        """Write every output to a file and name the files in a copy of the envelope; `size` and `digest` are theirs.

        Where one cannot be written, none is left, and the envelope says `ERR_OUTPUT` and keeps the outputs.
        """
        written: list[Path] = []
        try:
            outputs = [_save(output, self.path, written) for output in envelope["outputs"]]
        except OSError as error:
            for path in written:
                path.unlink(missing_ok=True)
            message = f"--save-dir {self.path}: {error.strerror}"
            failure = OutputFailed(message, hint="the outputs are in the envelope: run it with --json to see them")
            return {**envelope, "status": "error", "error": info_of(failure)}
        return {**envelope, "outputs": outputs}


def _save(output: OutputDocument, folder: Path, written: list[Path]) -> OutputDocument:
    path = folder / file_name(output)
    replace_file(path, _data(output), private=False)
    written.append(path)
    rest = {key: value for key, value in output.items() if key not in ("json", "text", "base64")}
    document: OutputDocument = {**rest, "path": str(path)}  # type: ignore[typeddict-item]
    return document


def _data(output: OutputDocument) -> bytes:
    if "base64" in output:
        return base64.b64decode(output["base64"])
    return canonical(output["json"]) if "json" in output else output["text"].encode()


def file_name(output: OutputDocument) -> str:
    """The output's name without anything that means something to a file system, and an ending for its media type."""
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", output["name"]).lstrip(".") or "output"
    ending = _ENDINGS.get(output["media_type"].partition(";")[0], "bin")
    return f"{stem}.{ending}"
