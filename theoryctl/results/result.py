"""The result that each command's work returns; the terminal alone shows it."""

from __future__ import annotations

from typing import Any, Protocol


class Result(Protocol):
    """A command's outcome: a frozen dataclass in `results/<noun>.py`, shown by a view in `terminal/views/<noun>.py`."""

    @property
    def exit_status(self) -> int:
        """The exit status of the command that returns it."""
        ...

    def document(self) -> dict[str, Any]:
        """The one JSON object that `--json` prints."""
        ...
