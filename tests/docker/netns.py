"""The network of a container, from outside: a server put into its namespace, a look at its connections, its host."""

from __future__ import annotations

import ctypes
import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from pathlib import Path

from tests.docker.conftest import Daemon

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_ESTABLISHED = "01"


def listening_in(pid: int, port: int) -> socket.socket:
    """A socket that listens on this port of every address in the network namespace of a process. Needs root."""
    # setns(2) moves one thread; this one ends here, and the socket stays where it was made.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(_listen, pid, port).result()


def _listen(pid: int, port: int) -> socket.socket:
    with open(f"/proc/{pid}/ns/net") as namespace:
        if _LIBC.setns(namespace.fileno(), _CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    return socket.create_server(("0.0.0.0", port))


def established(pid: int, port: int) -> int:
    """Count the connections to a server that both sides hold open (proc(5), /proc/net/tcp)."""
    rows = [row.split() for row in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == _ESTABLISHED for row in rows)


def bridge_gateway(daemon: Daemon) -> str:
    """An address of this machine that is no loopback: what containers know as host.docker.internal."""
    (bridge,) = json.loads(daemon("network", "inspect", "bridge"))
    config = bridge["IPAM"]["Config"][0]
    # A dockerd that has just made the bridge does not name it; it is the network's first address.
    return config.get("Gateway") or str(next(ip_network(config["Subnet"]).hosts()))
