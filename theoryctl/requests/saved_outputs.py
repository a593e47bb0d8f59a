"""Outputs on disk: `--save-dir`, `--write-prefix` and `--save-first`."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from theoryctl.errors import OutputFailed, UsageError
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

#: Outputs that say why an answer ended.
_ENDS = ("finish_reason", "stop_sequence")

#: Stands for the run's id in the name of a folder.
RUN_ID = "{run_id}"


class OutputFolder(ResultFolder):
    """The folder of `--save-dir`, or that of `--write-prefix`, where the name of each file begins with `begin`."""

    def __init__(self, folder: str, run_id: str = "", *, flag: str = "--save-dir", begin: str = "") -> None:
        super().__init__(flag, folder.replace(RUN_ID, run_id))
        self._begin = begin.replace(RUN_ID, run_id)

    def save(self, envelope: Envelope) -> Envelope:
        """Write every output to a file, and an index of them, and name the files in a copy of the envelope; `size` and
        `digest` are theirs. A run that failed has no outputs, and leaves no index.

        Where one cannot be written, none is left, and the envelope says `ERR_OUTPUT` and keeps the outputs.
        """
        written: list[Path] = []
        try:
            named = zip(envelope["outputs"], file_names(envelope["outputs"]), strict=True)
            outputs = [self._save(output, name, written) for output, name in named]
            if envelope["error"] is None:
                _write(self.path / f"{self._begin}{INDEX}", canonical(_index(envelope, outputs)) + b"\n", written)
        except OSError as error:
            for path in written:
                path.unlink(missing_ok=True)
            return _not_saved(envelope, self, error)
        return {**envelope, "outputs": outputs}

    def _save(self, output: OutputDocument, name: str, written: list[Path]) -> OutputDocument:
        path = self.path / f"{self._begin}{name}"
        _write(path, _data(output), written)
        rest = {key: value for key, value in output.items() if key not in ("json", "text", "base64")}
        document: OutputDocument = {**rest, "path": str(path)}  # type: ignore[typeddict-item]
        return document


class FirstOutput(ResultFolder):
    """The file of `--save-first`, and the folder that it is in."""

    def __init__(self, file: str, run_id: str = "") -> None:
        self._file = Path(file.replace(RUN_ID, run_id))
        super().__init__("--save-first", str(self._file.parent))
        self.typed = str(self._file)
        there = self._file.exists() or self._file.is_symlink()
        # Its place is taken by a rename: what a link such as /dev/stdout leads to would not be written.
        if not self._file.name or (there and (self._file.is_symlink() or not self._file.is_file())):
            message = f"--save-first {self._file}: expected the path of a file, got a folder, a link or a device"
            raise UsageError(message, hint="name a file")

    def save(self, envelope: Envelope) -> Envelope:
        """Write the first output of a run that went well to the file. The envelope stays as it is, or says `ERR_OUTPUT`
        where the file cannot be written."""
        output = first_output(envelope["outputs"]) if envelope["error"] is None else None
        try:
            if output is not None:
                replace_file(self._file, _data(output), private=False)
        except OSError as error:
            return _not_saved(envelope, self, error)
        return envelope


def first_output(outputs: Sequence[OutputDocument]) -> OutputDocument | None:
    """The answer, else the first by name that says more than why an answer ended."""
    others = (output for output in outputs if output["name"].partition(".")[0] not in _ENDS)
    return next((output for output in outputs if output["name"] == "answer"), next(others, None))


def _not_saved(envelope: Envelope, place: ResultFolder, error: OSError) -> Envelope:
    message = f"{place.flag} {place.typed}: {error.strerror}"
    failure = OutputFailed(message, hint="the outputs are in the envelope: run it with --json to see them")
    return {**envelope, "status": "error", "error": info_of(failure)}


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


def file_names(outputs: Sequence[OutputDocument]) -> list[str]:
    """The name of each output's file. No two are one file, nor is one the index, where file systems do not tell upper
    from lower case either: one whose name is taken has `_` before it."""
    names: list[str] = []
    taken = {INDEX}
    for output in outputs:
        name = _file_name(output)
        while name.lower() in taken:
            name = f"_{name}"
        taken.add(name.lower())
        names.append(name)
    return names


def _file_name(output: OutputDocument) -> str:
    """The output's name without anything that means something to a file system, and an ending for its media type."""
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", output["name"]).lstrip(".") or "output"
    return f"{stem}.{_ENDINGS.get(output['media_type'].partition(';')[0], 'bin')}"
