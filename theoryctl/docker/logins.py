"""Logins as Docker's SDK keeps them, with credential helpers whose failures all have one class, `StoreError`.

The SDK believes that a helper prints what it should. It is a program of somebody else's: one that prints "login
expired" is its own failure, and no bug of the caller's.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from docker.auth import AuthConfig
from docker.credentials import Store, StoreError


class Logins(AuthConfig):  # type: ignore[misc]
    """The logins of a configuration, whose helpers are `Helper`. Raises TypeError where it names none by a text."""

    def __init__(self, kept: dict[str, Any]) -> None:
        super().__init__(kept)
        if not isinstance(self.cred_helpers, dict):
            raise TypeError(f"expected an object in credHelpers, got {self.cred_helpers!r}")
        for name in filter(None, (self.creds_store, *self.cred_helpers.values())):
            if not isinstance(name, str):
                raise TypeError(f"expected the name of a credential helper, got {name!r}")

    def _get_store_instance(self, name: str) -> Helper:
        return Helper(name)


class Helper(Store):  # type: ignore[misc]
    """A credential helper. Raises StoreError for whatever it does wrong, without its words, which may be secret."""

    def get(self, server: str) -> dict[str, str]:
        """Return the `Username` and the `Secret` for a server. Raises CredentialsNotFound where it keeps none."""
        with self._checked("a login"):
            found = super().get(server)
            return {name: _text(found[name]) for name in ("Username", "Secret")}

    def list(self) -> dict[str, str]:
        """Return the user of each server that it keeps a login for."""
        with self._checked("a list of logins"):
            # A helper in Go that keeps none prints the JSON of a nil map.
            return {name: str(user) for name, user in (super().list() or {}).items()}

    @contextmanager
    def _checked(self, expected: str) -> Iterator[None]:
        try:
            yield
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
            # One that failed with bytes that are no text: its status says more.
            ended = error.__context__ if isinstance(error.__context__, subprocess.CalledProcessError) else None
            raise StoreError(f"expected {expected} as JSON from {self.program}, got something else") from ended


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
