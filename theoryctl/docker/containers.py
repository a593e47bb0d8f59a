"""A provider's container: how it is shut in, how it is told what to do, and what can be seen of it."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from theoryctl.docker.daemon import explained, found
from theoryctl.errors import DockerFailed
from theoryctl.manifests.model import Resources
from theoryctl_providers.contract import VERSION

#: The port that the image's server listens on.
PORT = 8000
#: The user in the container: nobody.
USER = "65534:65534"
#: The name by which a container reaches its host.
HOST_NAME = "host.docker.internal"
#: Seconds for a server to drain and exit before it is killed.
STOP_SECONDS = 12

LABEL = "dev.theoryctl"

#: The status of what the daemon refuses because of the state it is in, such as "removal … is already in progress".
CONFLICT = 409


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """A container to be: `labels` without their common prefix, `reaches_host` where it has to find its host.

    It is published on `port` of 127.0.0.1; 0 takes a free one. `environment` is there for anybody to see who may ask
    the daemon.
    """

    name: str
    image: str
    network: str
    port: int
    labels: dict[str, str]
    resources: Resources
    reaches_host: bool
    environment: dict[str, str]


def create(api: Any, spec: ContainerSpec) -> str:
    """Create a container that may do nothing but serve, and return its ID. Raises DockerFailed."""
    _ensure_network(api, spec.network)
    with explained(lambda words: DockerFailed(f"Docker refused the container: {words}", hint="docker info")):
        created = api.create_container(
            spec.image,
            name=spec.name,
            labels={f"{LABEL}.{name}": value for name, value in {**spec.labels, "version": VERSION}.items()},
            environment=spec.environment,
            user=USER,
            ports=[PORT],
            # Open once: what it is told comes there, and then its end.
            stdin_open=True,
            # The image's own is for those who do not ask the server itself.
            healthcheck={"test": ["NONE"]},
            host_config=api.create_host_config(**_confinement(spec)),
        )
    return str(created["Id"])


def _confinement(spec: ContainerSpec) -> dict[str, Any]:
    memory = f"{spec.resources.memory}m"
    return {
        "read_only": True,
        # Half of the memory it counts against: a full /tmp is an error, and not the end of the container.
        "tmpfs": {"/tmp": f"rw,noexec,nosuid,nodev,mode=1777,size={spec.resources.memory // 2}m"},
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "pids_limit": spec.resources.pids,
        "mem_limit": memory,
        "memswap_limit": memory,
        "nano_cpus": int(spec.resources.cpu * 1e9),
        "port_bindings": {PORT: ("127.0.0.1", spec.port) if spec.port else ("127.0.0.1",)},
        "network_mode": spec.network,
        # Without an init to hand it on, the server would not hear SIGTERM.
        "init": True,
        "log_config": {"type": "json-file", "config": {"max-size": "10m", "max-file": "3"}},
        "extra_hosts": {HOST_NAME: "host-gateway"} if spec.reaches_host else None,
    }


def start_and_tell(api: Any, container: str, data: bytes) -> None:
    """Start a container and write `data` to its standard input, once: it is kept nowhere. Raises DockerFailed."""
    with explained(lambda words: DockerFailed(f"Docker could not start the container: {words}", hint="docker info")):
        # Before the start: a container whose standard input nobody holds would see its end at once.
        stream = api.attach_socket(container, params={"stdin": 1, "stream": 1})
        try:
            api.start(container)
            sock = getattr(stream, "_sock", stream)
            with suppress(ConnectionError):  # it died; waiting for its health says so
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
        finally:
            stream.close()


def inspect(api: Any, container: str) -> Any:
    """Return what the daemon knows of a container; None where it has gone."""
    return found(api.inspect_container, container)


def is_running(seen: Any) -> bool:
    return seen is not None and bool(seen["State"]["Running"])


def url_of(seen: Any) -> str | None:
    """Return the address where a running container is published; its port changes with each start."""
    ports = seen["NetworkSettings"]["Ports"].get(f"{PORT}/tcp") or []
    return f"http://127.0.0.1:{ports[0]['HostPort']}" if ports else None


def last_lines(api: Any, container: str, lines: int = 10) -> list[str]:
    """Return the end of its log."""
    return (found(api.logs, container, tail=lines) or b"").decode(errors="replace").splitlines()


def died_of_memory(seen: Any) -> bool:
    """Return whether the kernel killed it because it took more memory than it may have."""
    return seen is not None and bool(seen["State"].get("OOMKilled"))


def remove(api: Any, container: str) -> None:
    """Remove a container, running or not, and return when it is gone, whoever else removes it."""
    import docker

    try:
        found(api.remove_container, container, v=True, force=True)
    except docker.errors.APIError as error:
        if error.status_code != CONFLICT or not _vanishes(api, container):
            raise


def _vanishes(api: Any, container: str) -> bool:
    """Wait for a container that somebody else removes."""
    end = time.monotonic() + STOP_SECONDS
    while inspect(api, container) is not None:
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def stop(api: Any, container: str) -> bool:
    """Let it drain until it ends; False where it was dead or gone already."""
    was_running = is_running(inspect(api, container))
    if was_running:
        found(api.stop, container, timeout=STOP_SECONDS)
    return was_running


def labelled(api: Any, **labels: str) -> list[Any]:
    """Return what the daemon knows of the containers with these labels, in any state."""
    wanted = [f"{LABEL}.{name}={value}" for name, value in labels.items()]
    rows = api.containers(all=True, filters={"label": wanted})
    return [seen for row in rows if (seen := inspect(api, row["Id"])) is not None]


def usage(api: Any, container: str) -> tuple[float, int] | None:
    """CPU in percent of one core over a tenth of a second, and memory in bytes; None where it has gone."""
    first = found(api.stats, container, stream=False, one_shot=True)
    time.sleep(0.1)
    second = found(api.stats, container, stream=False, one_shot=True)
    if not first or not second or "usage" not in second["memory_stats"]:
        return None
    used = [each["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9 for each in (first, second)]
    memory = second["memory_stats"]
    # As `docker stats` counts: files that could be dropped at any time do not count.
    cache = memory.get("stats", {}).get("total_inactive_file", memory.get("stats", {}).get("inactive_file", 0))
    return (used[1] - used[0]) / 0.1 * 100, memory["usage"] - cache


def drop_network(api: Any, network: str) -> None:
    """Remove a network, unless something is on it."""
    with suppress(DockerFailed), explained(DockerFailed):
        found(api.remove_network, network)


def _ensure_network(api: Any, network: str) -> None:
    """A network of which each container reaches what is outside, and no other container."""
    if found(api.inspect_network, network) is None:
        with explained(lambda words: DockerFailed(f"Docker refused a network: {words}", hint="docker network ls")):
            options = {"com.docker.network.bridge.enable_icc": "false"}
            api.create_network(network, driver="bridge", options=options, labels={f"{LABEL}.network": "true"})
