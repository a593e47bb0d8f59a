"""A registry that nobody can connect to."""

from __future__ import annotations

import socket

from tests.conftest import Cli


def test_a_registry_without_a_connection_is_told_in_words(cli: Cli) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and does not listen
        host = f"127.0.0.1:{bound.getsockname()[1]}"
        error = cli("image", "resolve", f"{host}/x:1", "--json").document["error"]
    assert error["message"] == f"the registry {host}: no connection: Connection refused"
