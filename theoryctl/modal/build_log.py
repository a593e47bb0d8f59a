"""The log of an image that Modal builds or pulls, line by line while it comes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from theoryctl.progress import Progress

if TYPE_CHECKING:
    from modal_proto import api_pb2

#: Colours and movements of the cursor (ECMA-48, control sequences).
_STYLE = re.compile(r"\x1b\[[0-9;?]*[@-~]")


@contextmanager
def followed_builds(progress: Progress) -> Iterator[None]:
    """Tell `progress` each line that Modal logs of a build inside, and nothing else that its SDK would show.

    The SDK has no public way but `modal.enable_output`, which writes to standard output (`modal/_output/manager.py`).
    """
    from modal._output.manager import DisabledOutputManager, OutputManager

    class Follower(DisabledOutputManager):
        def __init__(self) -> None:
            self._rest = ""

        async def put_streaming_log(self, log: api_pb2.TaskLogs, prefix: str = "") -> None:
            *lines, self._rest = (self._rest + log.data).split("\n")
            for line in lines:
                self._tell(line)

        def flush_lines(self) -> None:
            rest, self._rest = self._rest, ""
            self._tell(rest)

        def _tell(self, line: str) -> None:
            # A line may redraw itself, as the bars of pip do: its last state counts.
            if shown := _STYLE.sub("", line).rstrip("\r").rpartition("\r")[2].strip():
                progress.step(shown)

    before: Any = OutputManager.get()
    OutputManager._set(Follower())
    try:
        yield
    finally:
        OutputManager._set(before)
