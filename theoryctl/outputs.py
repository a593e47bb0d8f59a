"""Outputs on disk: `--save-dir`."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from theoryctl.errors import OutputFailed, UsageError, error_info
from theoryctl.paths import replace_file
from theoryctl_providers.contract import Envelope, OutputDocument, canonical

_ENDINGS = {"text/plain": "txt", "application/json": "json", "text/markdown": "md"}


class OutputFolder:
    """The folder of `--save-dir`, made and tried before the provider is asked: a paid answer must find its place.

    Entering raises UsageError for a folder that cannot be written to. What was made for nothing is removed.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._made: list[Path] = []

    def __enter__(self) -> OutputFolder:
        try:
            for path in reversed([self._folder, *self._folder.parents]):
                if not path.exists():
                    path.mkdir()
                    self._made.append(path)
            probe = self._folder / ".theoryctl-probe"
            replace_file(probe, b"", private=False)
            probe.unlink()
        except OSError as error:
            self.__exit__()
            message = f"--save-dir {self._folder}: {error.strerror}"
            raise UsageError(message, hint="name a folder that can be written to") from error
        return self

    def __exit__(self, *_: object) -> None:
        for path in reversed(self._made):
            with contextlib.suppress(OSError):  # it holds the outputs now
                path.rmdir()

    def save(self, envelope: Envelope) -> Envelope:
        """Write every output to a file and name the files in a copy of the envelope; `size` and `digest` are theirs.

        Where one cannot be written, none is left, and the envelope says `ERR_OUTPUT` and keeps the outputs.
        """
        written: list[Path] = []
        try:
            outputs = [_save(output, self._folder, written) for output in envelope["outputs"]]
        except OSError as error:
            for path in written:
                path.unlink(missing_ok=True)
            message = f"--save-dir {self._folder}: {error.strerror}"
            failure = OutputFailed(message, hint="the outputs are in the envelope: run it with --json to see them")
            return {**envelope, "status": "error", "error": error_info(failure)}
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
