"""Flags that say where outputs are written."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from theoryctl.errors import UsageError

if TYPE_CHECKING:
    from theoryctl.requests.saved_outputs import FirstOutput, OutputFolder


class SaveFlags(NamedTuple):
    """The flags that say where outputs are written: a folder, the beginning of each path, and a file for the first.

    `{run_id}` in any of them stands for the run's id.
    """

    folder: str | None = None
    prefix: str | None = None
    first: str | None = None

    def places(self, run_id: str) -> list[OutputFolder | FirstOutput]:
        """The places to save to, in their order. Raises UsageError for flags that exclude each other."""
        if self == SaveFlags():  # most runs leave no files
            return []
        from theoryctl.requests.saved_outputs import FirstOutput, OutputFolder

        if self.folder and self.prefix:
            raise UsageError("--save-dir and --write-prefix exclude each other", hint="leave one of them out")
        places: list[OutputFolder | FirstOutput] = []
        if self.first:
            places.append(FirstOutput(self.first, run_id))
        if self.folder:
            places.append(OutputFolder(self.folder, run_id))
        if self.prefix:
            folder, begin = os.path.split(self.prefix)
            places.append(OutputFolder(folder or ".", run_id, flag="--write-prefix", begin=begin))
        return places
