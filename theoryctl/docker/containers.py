"""A provider's container that is there: what can be seen of it, and its end."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

from theoryctl.docker.client import TIMEOUT, Client, Refused

#: The port that the image's server listens on.
PORT = 8000
#: Seconds for a server to drain and exit before it is killed.
STOP_SECONDS = 12

LABEL = "dev.theoryctl"

#: The status of what the daemon refuses because of the state it is in, such as "removal … is already in progress".
_CONFLICT = 409


def inspect(client: Client, container: str) -> Any:
    """Return what the daemon knows of a container; None where it has gone."""
    return client.ask("GET", f"/containers/{container}/json")


def is_running(seen: Any) -> bool:
    return seen is not None and bool(seen["State"]["Running"])


def url_of(seen: Any) -> str | None:
    """Return the address where a running container is published; its port changes with each start."""
    ports = seen["NetworkSettings"]["Ports"].get(f"{PORT}/tcp") or []
    return f"http://127.0.0.1:{ports[0]['HostPort']}" if ports else None


def last_lines(client: Client, container: str, lines: int = 10) -> list[str]:
    """Return the end of its log."""
    return b"".join(client.log(container, tail=lines)).decode(errors="replace").splitlines()


def died_of_memory(seen: Any) -> bool:
    """Return whether the kernel killed it because it took more memory than it may have."""
    return seen is not None and bool(seen["State"].get("OOMKilled"))


def remove(client: Client, container: str) -> None:
    """Remove a container, running or not, and return when it is gone, whoever else removes it."""
    try:
        client.ask("DELETE", f"/containers/{container}", {"v": 1, "force": 1})
    except Refused as refused:
        if refused.status != _CONFLICT or not _vanishes(client, container):
            raise


def _vanishes(client: Client, container: str) -> bool:
    """Wait for a container that somebody else removes."""
    end = time.monotonic() + STOP_SECONDS
    while inspect(client, container) is not None:
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def stop(client: Client, container: str) -> bool:
    """Let it drain until it ends; False where it was dead or gone already."""
    was_running = is_running(inspect(client, container))
    if was_running:
        client.ask("POST", f"/containers/{container}/stop", {"t": STOP_SECONDS}, TIMEOUT + STOP_SECONDS)
    return was_running


def labelled(client: Client, **labels: str) -> list[Any]:
    """Return what the daemon knows of the containers with these labels, in any state."""
    wanted = [f"{LABEL}.{name}={value}" for name, value in labels.items()]
    rows = client.ask("GET", "/containers/json", {"all": 1, "filters": json.dumps({"label": wanted})})
    return [seen for row in rows if (seen := inspect(client, row["Id"])) is not None]


def usage(client: Client, container: str) -> tuple[float, int] | None:
    """CPU in percent of one core over a tenth of a second, and memory in bytes; None where it has gone."""
    first = _stats(client, container)
    time.sleep(0.1)
    second = _stats(client, container)
    if not first or not second or "usage" not in second["memory_stats"]:
        return None
    used = [each["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9 for each in (first, second)]
    memory = second["memory_stats"]
    # As `docker stats` counts: files that could be dropped at any time do not count.
    cache = memory.get("stats", {}).get("total_inactive_file", memory.get("stats", {}).get("inactive_file", 0))
    return (used[1] - used[0]) / 0.1 * 100, memory["usage"] - cache


def _stats(client: Client, container: str) -> Any:
    return client.ask("GET", f"/containers/{container}/stats", {"stream": "false", "one-shot": "true"})


def drop_network(client: Client, network: str) -> None:
    """Remove a network, unless something is on it."""
    with suppress(Refused):
        client.ask("DELETE", f"/networks/{network}")
