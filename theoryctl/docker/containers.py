"""A provider's container that is there: what can be seen of it, and its end."""

from __future__ import annotations

import json
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

from theoryctl.docker.client import MAX_ANSWER, TIMEOUT, Client, Refused, text, unless_gone
from theoryctl.errors import DockerFailed
from theoryctl.instances.lines import Lines

#: The port that the image's server listens on.
PORT = 8000
#: Seconds for a server to drain and exit before it is killed.
STOP_SECONDS = 12

LABEL = "dev.theoryctl"

#: The status of what the daemon refuses because of the state it is in, such as "removal … is already in progress".
_CONFLICT = 409


@dataclass(frozen=True, slots=True)
class Container:
    """A container as the daemon describes it: its `status`, such as `created`, its `url` if it is published, which
    changes with each start, and whether the kernel killed it because it `died_of_memory`.
    """

    id: str
    running: bool
    status: str
    exit_status: int | None
    died_of_memory: bool
    created: str
    url: str | None
    labels: dict[str, str]


def inspect(client: Client, container: str) -> Container | None:
    """Return what the daemon knows of a container; None where it has gone."""
    with unless_gone():
        return client.read(f"/containers/{container}/json", _described)
    return None


def _described(seen: Any) -> Container:
    state = seen["State"]
    return Container(
        id=text(seen["Id"]),
        running=bool(state["Running"]),
        status=str(state.get("Status")),
        exit_status=state.get("ExitCode"),
        died_of_memory=bool(state.get("OOMKilled")),
        created=text(seen.get("Created", "")),
        url=_url((seen.get("NetworkSettings") or {}).get("Ports") or {}),
        labels={name: text(value) for name, value in ((seen.get("Config") or {}).get("Labels") or {}).items()},
    )


def _url(ports: dict[str, Any]) -> str | None:
    published = ports.get(f"{PORT}/tcp") or [{"HostPort": ""}]
    port = int(published[0]["HostPort"] or 0)
    if not 0 <= port < 1 << 16:
        raise ValueError(port)
    return f"http://127.0.0.1:{port}" if port else None


def is_running(seen: Container | None) -> bool:
    """Return whether a container is there and runs."""
    return seen is not None and seen.running


def last_lines(client: Client, container: str, lines: int = 10) -> list[str]:
    """Return the end of its log, as far as the daemon gives it: it is told beside another failure."""
    read = bytearray()
    with suppress(DockerFailed), closing(client.log(container, tail=lines)) as pieces:
        for piece in pieces:
            read += piece
            if len(read) > MAX_ANSWER:
                break
    ended = Lines()
    return [*ended.of(bytes(read)), *ended.end()]


def remove(client: Client, container: str) -> None:
    """Remove a container, running or not, and return when it is gone, whoever else removes it."""
    try:
        with unless_gone():
            client.do("DELETE", f"/containers/{container}", {"v": 1, "force": 1})
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


def rename(client: Client, container: str, name: str) -> None:
    """Give a container another name."""
    client.do("POST", f"/containers/{container}/rename", {"name": name})


def stop(client: Client, container: str) -> bool:
    """Let it drain until it ends; False where it was dead or gone already."""
    was_running = is_running(inspect(client, container))
    if was_running:
        with unless_gone():
            client.do("POST", f"/containers/{container}/stop", {"t": STOP_SECONDS}, TIMEOUT + STOP_SECONDS)
    return was_running


def labelled(client: Client, **labels: str) -> list[Container]:
    """Return what the daemon knows of the containers with these labels, in any state."""
    wanted = [f"{LABEL}.{name}={value}" for name, value in labels.items()]
    ids = client.read("/containers/json", _ids, {"all": 1, "filters": json.dumps({"label": wanted})})
    return [seen for each in ids if (seen := inspect(client, each)) is not None]


def _ids(rows: Any) -> list[str]:
    if not isinstance(rows, list):
        raise TypeError
    return [text(row["Id"]) for row in rows]


def usage(client: Client, container: str) -> tuple[float, int] | None:
    """CPU in percent of one core over a tenth of a second, and memory in bytes; None where it has gone."""
    with unless_gone():
        first = _stats(client, container)
        time.sleep(0.1)
        second = _stats(client, container)
        if first and second:
            return (second[0] - first[0]) / 0.1 * 100, second[1]
    return None


def _stats(client: Client, container: str) -> tuple[float, int] | None:
    return client.read(f"/containers/{container}/stats", _used, {"stream": "false", "one-shot": "true"})


def _used(stats: Any) -> tuple[float, int] | None:
    """Read the seconds of CPU and the bytes of memory that were used; None of a container that has ended."""
    memory = stats["memory_stats"]
    if "usage" not in memory:
        return None
    # As `docker stats` counts: files that could be dropped at any time do not count.
    files = memory.get("stats") or {}
    cache = files.get("total_inactive_file", files.get("inactive_file", 0))
    return stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9, memory["usage"] - cache


def drop_network(client: Client, network: str) -> None:
    """Remove a network, unless something is on it.

    The daemon takes it out of its lists at once, and then a fifth of a second for bridge and rules, for which nobody
    has to wait: it goes on without the client (moby, `deleteNetwork` of its router and `Networks` of libnetwork).
    """
    end = time.monotonic() + STOP_SECONDS
    with suppress(Refused), client.begin("DELETE", f"/networks/{network}") as answered:
        while not answered(0.005) and _is_listed(client, network) and time.monotonic() < end:
            pass


def _is_listed(client: Client, network: str) -> bool:
    with unless_gone():
        return client.read(f"/networks/{network}", lambda seen: bool(seen["Id"]))
    return False
