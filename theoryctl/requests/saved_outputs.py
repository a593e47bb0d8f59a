"""Outputs on disk: `--save-dir`."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

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


#: The file that lists the others, and the version of its shape.
INDEX, INDEX_SCHEMA = "outputs.json", "theoryctl.outputs/v1"

#: Stands for the run's id in the name of a folder.
RUN_ID = "{run_id}"


class OutputFolder(ResultFolder):
    """The folder of `--save-dir`; `{run_id}` in its path stands for the run's id."""

    def __init__(self, folder: str, run_id: str = "") -> None:
        super().__init__("--save-dir", folder.replace(RUN_ID, run_id))

    def save(self, envelope: Envelope) -> Envelope:
        """Write every output to a file, and an index of them, and name the files in a copy of the envelope; `size` and
        `digest` are theirs. A run that failed has no outputs, and leaves no index.

        Where one cannot be written, none is left, and the envelope says `ERR_OUTPUT` and keeps the outputs.
        """
        written: list[Path] = []
        try:
            outputs = [_save(output, self.path, written) for output in envelope["outputs"]]
            if envelope["error"] is None:
                _write(self.path / INDEX, canonical(_index(envelope, outputs)) + b"\n", written)
        except OSError as error:
            for path in written:
                path.unlink(missing_ok=True)
            message = f"--save-dir {self.path}: {error.strerror}"
            failure = OutputFailed(message, hint="the outputs are in the envelope: run it with --json to see them")
            return {**envelope, "status": "error", "error": info_of(failure)}
        return {**envelope, "outputs": outputs}


def _save(output: OutputDocument, folder: Path, written: list[Path]) -> OutputDocument:
    path = folder / file_name(output)
    _write(path, _data(output), written)
    rest = {key: value for key, value in output.items() if key not in ("json", "text", "base64")}
    document: OutputDocument = {**rest, "path": str(path)}  # type: ignore[typeddict-item]
    return document


def _index(envelope: Envelope, outputs: list[OutputDocument]) -> dict[str, Any]:
    """The outputs with the names of their files, which lie beside the index, and the run that they are of."""
    run = {key: envelope[key] for key in ("run_id", "ref", "mode", "model")}
    files = [{**output, "path": Path(output["path"]).name} for output in outputs]
    return {"schema": INDEX_SCHEMA, **run, "outputs": files}


def _write(path: Path, data: bytes, written: list[Path]) -> None:
    replace_file(path, data, private=False)
    written.append(path)


def _data(output: OutputDocument) -> bytes:
    if "base64" in output:
        return base64.b64decode(output["base64"])
    return canonical(output["json"]) if "json" in output else output["text"].encode()


def file_name(output: OutputDocument) -> str:
    """The output's name without anything that means something to a file system, and an ending for its media type."""
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", output["name"]).lstrip(".") or "output"
    ending = _ENDINGS.get(output["media_type"].partition(";")[0], "bin")
    name = f"{stem}.{ending}"
    return name if name != INDEX else f"_{INDEX}"
