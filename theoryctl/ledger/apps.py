"""Apps on Modal that were deployed from here, among the notes of the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sqlite3 import Connection

_PREFIX = "modal/"


class DeployedApp(NamedTuple):
    """An app: its environment, name, ref and the digest of its image.

    `read` is the time up to which its log was taken in, `looked` that of the last look, in seconds since the epoch.
    """

    environment: str
    name: str
    ref: str
    digest: str
    read: float = 0.0
    looked: float = 0.0

    @property
    def key(self) -> str:
        """The name of its note."""
        return f"{_PREFIX}{self.environment}/{self.name}"


def known(connection: Connection) -> Iterator[DeployedApp]:
    """Yield the apps that are noted. A note of another shape is none."""
    query = "SELECT name, value FROM notes WHERE name >= ? AND name < ?"
    for key, value in connection.execute(query, (_PREFIX, f"{_PREFIX}\U0010ffff")).fetchall():
        environment, _, name = str(key).removeprefix(_PREFIX).partition("/")
        try:
            ref, digest, read, looked = json.loads(value)
            yield DeployedApp(environment, name, str(ref), str(digest), float(read), float(looked))
        except (ValueError, TypeError):
            continue


def put(connection: Connection, app: DeployedApp) -> None:
    """Note an app, or what is new of it. Raises sqlite3.Error."""
    value = json.dumps(app[2:])
    connection.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (app.key, value))


def remove(connection: Connection, environment: str, name: str) -> None:
    """Forget an app. Raises sqlite3.Error."""
    connection.execute("DELETE FROM notes WHERE name = ?", (f"{_PREFIX}{environment}/{name}",))
