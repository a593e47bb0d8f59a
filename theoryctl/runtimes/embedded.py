"""The embedded runtime: the provider runs inside this very process."""

from __future__ import annotations

import sys
from collections.abc import Generator
from threading import Lock
from typing import TYPE_CHECKING

from theoryctl.secrets import leave_instance

if TYPE_CHECKING:
    from theoryctl_providers.contract import Event, Request

_path_lock = Lock()


def make_importable(code: tuple[str, ...]) -> None:
    """Have this process find a provider's package, whose code lies in the folders `code`."""
    with _path_lock:
        # In front, as PYTHONPATH does it in the other runtimes; once, however often the ref is asked.
        sys.path[:0] = [path for path in code if path not in sys.path]


class EmbeddedSession:
    """Asks in this process. Loop, clients and code path are the process's own, and serve all sessions."""

    def __init__(self, code: tuple[str, ...], where: str) -> None:
        """Make a provider's package importable, whose code lies in the folders `code`, and hide from its libraries the
        instance that `local env` leads to."""
        self.where = where
        leave_instance()
        make_importable(code)

    def ask(self, request: Request) -> Generator[Event, None, None]:
        """Yield the events of one request, the last one a `Result`. Closing the generator cancels the call."""
        from theoryctl_providers.engine import session

        return session.ask(request)

    def close(self) -> None:
        """Leave everything open: other sessions may use what this one did."""
