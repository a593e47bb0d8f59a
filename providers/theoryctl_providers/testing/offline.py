"""Refuse what would leave this machine while a test runs.

Python tells of a connection before it makes it, in every thread (docs.python.org/3/library/audit_events.html).
pytest-socket 0.8.1 replaces `socket.connect` for this (pytest_socket.py, `socket_allow_hosts`): look-ups of names,
`connect_ex` and datagrams get through, and it raises an error that the clients of vendors catch and try again.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Generator
from ipaddress import ip_address
from typing import Any

import pytest

from theoryctl_providers.testing.markers import told_by

#: Events of Python that lead to other machines, and the place of the address among their arguments.
_EVENTS = {
    "socket.connect": 1,
    "socket.sendto": 1,
    "socket.sendmsg": 1,
    "socket.getaddrinfo": 0,
    "socket.gethostbyname": 0,
    "socket.gethostbyaddr": 0,
    "socket.getnameinfo": 0,
}

#: Those that ask nobody where the host is a number.
_FORWARD = ("socket.getaddrinfo", "socket.gethostbyname")


class Offline:
    """The part of the plugin that is there once a test wants it.

    With `everywhere` tests without a marker want it as well.
    """

    def __init__(self, everywhere: bool) -> None:
        self._everywhere = everywhere
        self._item: pytest.Item | None = None
        #: Addresses that the test under way was refused.
        self._refused: list[str] = []
        sys.addaudithook(self._hear)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Watch a test from its first fixture to its last."""
        self._item, self._refused = (item if self._is_offline(item) else None), []
        try:
            return (yield)
        finally:
            self._item = None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Fail a test that was refused a connection, in its fixtures or itself, and went on without it."""
        result = yield
        self._check(item)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Fail a teardown that was refused a connection and went on; of what came before, the test has told."""
        self._refused = []
        result = yield
        self._check(item)
        return result

    def _check(self, item: pytest.Item) -> None:
        if self._refused:
            pytest.fail(_message(item, ", ".join(dict.fromkeys(self._refused))), pytrace=False)

    def _is_offline(self, item: pytest.Item) -> bool:
        """Return whether a test may reach this machine alone: its markers go first."""
        told = told_by(item)
        return bool(told.get("offline", self._everywhere and told.get("record") is None))

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        item = self._item
        if item is None or event not in _EVENTS:
            return
        host, address = _parts(event, arguments)
        if host is not None and not _is_here(host, is_looked_up=event in _FORWARD):
            self._refused.append(address)
            # No client takes it for a failure of the network, which it would hide behind words and attempts of its own.
            raise pytest.fail.Exception(_message(item, address))


def _parts(event: str, arguments: tuple[Any, ...]) -> tuple[str | None, str]:
    """The host that an event is about, and its address as people write it; no host for a Unix socket, or for none."""
    found: Any = arguments[_EVENTS[event]]
    port = arguments[1] if event == "socket.getaddrinfo" else None
    if isinstance(found, tuple):
        found, port = found[:2] if len(found) > 1 else (None, None)
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        return None, ""
    if isinstance(found, bytes | bytearray):
        found = found.decode(errors="replace")
    return (found, f"{found}:{port}" if port else found) if isinstance(found, str) else (None, "")


def _is_here(host: str, is_looked_up: bool) -> bool:
    """Return whether a host is this machine. The look-up of a number asks nobody, whosever it is."""
    try:
        number = ip_address(host.partition("%")[0])
    except ValueError:
        return host in ("localhost", "", socket.gethostname())
    return is_looked_up or number.is_loopback or number.is_unspecified


def _message(item: pytest.Item, addresses: str) -> str:
    return f"{addresses} was refused to {item.nodeid}, which may reach this machine alone"
