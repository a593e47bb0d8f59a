"""Temporary files for what can be read only once."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import BinaryIO, Self

from theoryctl.requests.standard_input import StandardInput


class Spool:
    """Files in a temporary folder, mode 0700, which is made for the first of them and removed when this is left."""

    def __init__(self, standard_input: StandardInput | None = None) -> None:
        self.standard_input = standard_input or StandardInput()
        self._undo = ExitStack()
        self._folder: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def file(self, name: str) -> BinaryIO:
        """Open a new file to write. Raises OSError."""
        if self._folder is None:
            from tempfile import TemporaryDirectory

            self._folder = self._undo.enter_context(TemporaryDirectory(prefix="theoryctl-"))
        return open(os.path.join(self._folder, name), "xb")
