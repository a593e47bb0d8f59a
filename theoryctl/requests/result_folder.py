"""A folder that results are to be written to."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Self

from theoryctl.errors import UsageError


class ResultFolder:
    """A folder that a flag names, made and tried before the provider is asked: a paid answer must find its place.

    Entering raises UsageError for a folder that cannot be written to. What was made for nothing is removed.
    """

    def __init__(self, flag: str, folder: str) -> None:
        self.flag = flag
        self.path = Path(folder)
        #: The path that was typed, for messages.
        self.typed = folder
        self._made: list[Path] = []

    def __enter__(self) -> Self:
        from tempfile import TemporaryFile

        try:
            for path in reversed([self.path, *self.path.parents]):
                if not path.exists():
                    path.mkdir()
                    self._made.append(path)
            TemporaryFile(dir=self.path).close()
        except OSError as error:
            self.__exit__()
            message = f"{self.flag} {self.typed}: {error.strerror}"
            raise UsageError(message, hint="name a folder that can be written to") from error
        return self

    def __exit__(self, *_: object) -> None:
        for path in reversed(self._made):
            with contextlib.suppress(OSError):  # it holds results now
                path.rmdir()
