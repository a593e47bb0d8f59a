"""Requests to apps on Modal that were deployed from here, taken from their logs into the ledger."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from theoryctl.actions.runs.intake import told
from theoryctl.ledger import apps
from theoryctl.ledger.apps import DeployedApp
from theoryctl.ledger.recorder import Policy, policy_of, take_in
from theoryctl.ledger.row import Row
from theoryctl.ledger.store import changing, opened, path
from theoryctl.settings import Settings
from theoryctl_providers.contract import ProviderError

if TYPE_CHECKING:
    from theoryctl.ledger.store import Connection
    from theoryctl.modal.deployment import Deployment

#: Seconds that a command waits for Modal, and those between two looks at the same log.
PATIENCE, EVERY = 4.0, 30.0
#: Seconds of a log that are read at first, and those before the last look that are read again: Modal's logs come late.
FIRST, LATE = 7 * 86400.0, 120.0
#: Lines that are handed over together.
_GROUP = 256


def remember(deployment: Deployment) -> None:
    """Note that an app was deployed from here. A ledger that cannot be written keeps no app from that."""
    with suppress(ProviderError):
        if not policy_of(Settings()).off:
            where = apps.DeployedApp(deployment.environment, deployment.app, str(deployment.ref), deployment.digest)
            with opened() as connection, changing(connection):
                apps.put(connection, where)


def forget(environment: str, app: str) -> None:
    """Note that an app is gone."""
    with suppress(ProviderError):
        if path().exists():
            with opened() as connection, changing(connection):
                apps.remove(connection, environment, app)


def take_in_apps(connection: Connection, tell: Callable[[str], None]) -> None:
    """Take in the logs of the apps that were deployed from here, as far as they come within PATIENCE seconds.

    `tell` is given a line on each log that was not read to its end; the next time goes on there.
    """
    policy = policy_of(Settings())
    if policy.off or policy.local:
        return
    now = time.time()
    due = [app for app in apps.known(connection) if now - app.looked >= EVERY]
    if due:
        _Intake(connection, policy, tell, {app.key: app for app in due}).run(now)


@dataclass(slots=True)
class _Part:
    """Some lines of an app's log: their rows, and the time of the last one, or of the look at the end of the log.

    `gone`: there is no such app any more. `failed` is the reason why nothing more comes.
    """

    app: DeployedApp
    rows: list[Row] = field(default_factory=list)
    until: float = 0.0
    ended: bool = False
    gone: bool = False
    failed: str | None = None


@dataclass(slots=True)
class _Intake:
    connection: Connection
    policy: Policy
    tell: Callable[[str], None]
    open: dict[str, DeployedApp]

    def run(self, now: float) -> None:
        """Read in a thread, for the SDK may hang, and write what comes in time."""
        from theoryctl.modal.sdk import imported

        with suppress(Exception):  # here, for the result would be lost that is written meanwhile; the thread says why
            imported()
        parts: SimpleQueue[_Part] = SimpleQueue()
        threading.Thread(target=_read, args=([*self.open.values()], parts, now), daemon=True).start()
        end = time.monotonic() + PATIENCE
        with suppress(Empty):
            while self.open:
                self._take(parts.get(timeout=max(0.0, end - time.monotonic())), now)
        for app in self.open.values():
            self.tell(f"the log of {app.name} on Modal did not come in {PATIENCE:g} s: its last requests are not here")
            self._look(app, now)

    def _take(self, part: _Part, now: float) -> None:
        app = part.app
        with changing(self.connection):
            take_in(self.connection, [row for row in part.rows if self.policy.keeps(row.mode)])
            if part.gone:
                apps.remove(self.connection, app.environment, app.name)
            elif part.until:
                self.open[app.key] = app = app._replace(read=part.until, looked=now if part.ended else app.looked)
                apps.put(self.connection, app)
        if part.failed is not None:
            self.tell(f"the log of {app.name} on Modal was not read: {part.failed}")
            self._look(app, now)
        if part.ended or part.gone or part.failed is not None:
            del self.open[app.key]

    def _look(self, app: DeployedApp, now: float) -> None:
        with changing(self.connection):
            apps.put(self.connection, app._replace(looked=now))


def _read(there: list[DeployedApp], parts: SimpleQueue[_Part], now: float) -> None:
    """Read the logs of apps, and put what comes into a queue."""
    from theoryctl.modal.sdk import connected

    left = list(there)
    try:
        with connected() as modal:
            while left:
                for part in _parts(modal, left[0], now):
                    parts.put(part)
                left.pop(0)
    except ProviderError as error:
        reason = error.message
    except ModuleNotFoundError as error:
        reason = f"the package {error.name} is not installed"
    except Exception as error:  # a thread has nobody who would say it
        reason = f"{type(error).__name__}: {error}"
    for app in left:
        parts.put(_Part(app, failed=reason))


def _parts(modal: Any, app: DeployedApp, now: float) -> Iterator[_Part]:
    from datetime import datetime, timezone

    from theoryctl.modal.logs import joined
    from theoryctl.modal.sdk import found

    there = found(modal, modal.App.lookup, app.name, environment_name=app.environment)
    if there is None:
        yield _Part(app, gone=True)
        return
    begin = datetime.fromtimestamp(max(app.read - LATE, now - FIRST), timezone.utc)
    where = {"source": "modal", "ref": app.ref, "runtime": "modal", "image": app.digest}
    rows: list[Row] = []
    for number, (at, line) in enumerate(joined(there.logs.fetch(since=begin)), 1):
        rows += told([line], where)
        if number % _GROUP == 0:
            yield _Part(app, rows, at.timestamp())
            rows = []
    yield _Part(app, rows, now, ended=True)
