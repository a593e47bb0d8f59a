"""A command at a real terminal: a pty for each stream."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.conftest import THEORYCTL

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")

Show = Callable[..., tuple[str, str]]


@pytest.fixture
def show(environment: dict[str, str], tmp_path: Path) -> Show:
    """Run a command with standard output (and standard error, unless `err_piped`) at a terminal; both texts."""

    def run(
        *arguments: str, env: Mapping[str, str] | None = None, columns: int = 80, err_piped: bool = False
    ) -> tuple[str, str]:
        out_master, out = pty.openpty()
        err_master, err = os.pipe() if err_piped else pty.openpty()
        merged = {**environment, "COLUMNS": str(columns), **(env or {})}
        with subprocess.Popen([THEORYCTL, *arguments], stdout=out, stderr=err, env=merged, cwd=tmp_path) as process:
            os.close(out)
            os.close(err)
            texts = read_all(out_master, err_master)
            process.wait(timeout=30)
        return texts

    return run


def read_all(*masters: int) -> tuple[str, str]:
    found = dict.fromkeys(masters, b"")
    open_ = set(masters)
    while open_:
        for master in select.select(list(open_), [], [], 30)[0]:
            try:
                data = os.read(master, 65536)
            except OSError:  # a pty whose other end was closed
                data = b""
            found[master] += data
            if not data:
                open_.discard(master)
                os.close(master)
    out, err = (found[master].decode().replace("\r\n", "\n") for master in masters)
    return out, err
