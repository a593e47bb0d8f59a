"""Lines and rows of a batch, for tests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.conftest import REF, Cli, Ran

BATCH = ("local", "batch", "--ref", REF)


def ask(text: str, **inputs: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **inputs}


def write_lines(file: Path, lines: Iterable[Any]) -> Path:
    """A file of lines; a text is a line as it stands."""
    file.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return file


def read_rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


class Files:
    """The lines and the rows of one batch, in a folder."""

    def __init__(self, folder: Path, cli: Cli) -> None:
        self.lines, self.out, self._cli = folder / "lines.jsonl", folder / "rows.jsonl", cli

    def run(self, *flags: str, lines: Iterable[Any] | None = None, **options: Any) -> Ran:
        if lines is not None:
            write_lines(self.lines, lines)
        return self._cli(*BATCH, "lines.jsonl", "--out", "rows.jsonl", "--json", *flags, **options)

    @property
    def rows(self) -> list[dict[str, Any]]:
        return read_rows(self.out)

    @property
    def texts(self) -> list[str]:
        return [row["outputs"][0]["text"] for row in self.rows]
