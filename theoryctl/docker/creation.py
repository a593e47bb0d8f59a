"""The making of a provider's container: how it is shut in, and how it is told what to do."""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from theoryctl.docker.client import text
from theoryctl.docker.containers import LABEL, PORT
from theoryctl.docker.daemon import explained, found
from theoryctl.errors import DockerFailed
from theoryctl.manifests.model import Resources
from theoryctl_providers.contract import VERSION

#: The user in the container: nobody.
USER = "65534:65534"
#: The name by which a container reaches its host.
HOST_NAME = "host.docker.internal"


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
    """Create a container that may do nothing but serve, and return its ID. Raises DockerFailed.

    Its name is one `aside`: another one may have its own until it is ready.
    """
    _ensure_network(api, spec.network)
    with explained(lambda words: DockerFailed(f"Docker refused the container: {words}", hint="docker info")):
        created = api.create_container(
            spec.image,
            name=aside(spec.name),
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
    return created_id(api, created)


def aside(name: str) -> str:
    """Return a name beside that of a container, which no other has."""
    return f"{name}-{token_hex(4)}"


def created_id(api: Any, created: Any) -> str:
    """Read the ID of a container that was created. Raises DockerFailed (`ERR_DOCKER`) where the daemon tells none."""
    made: str = api.shaped(lambda seen: text(seen["Id"]), created, "/containers/create")
    return made


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


def start_and_tell(api: Any, container: str, network: str, data: bytes) -> None:
    """Start a container that was created for a network, and write `data` to its standard input, once: it is kept
    nowhere. Raises DockerFailed."""
    _ensure_network(api, network)  # it may have gone with the last container that was on it
    with explained(lambda words: DockerFailed(f"Docker could not start the container: {words}", hint="docker info")):
        # Before the start: a container whose standard input nobody holds would see its end at once.
        stream = api.attach_socket(container, params={"stdin": 1, "stream": 1})
        try:
            api.start(container)
            sock = getattr(stream, "_sock", stream)
            with suppress(OSError):  # it died; waiting for its health says so
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
        finally:
            stream.close()


def _ensure_network(api: Any, network: str) -> None:
    """A network of which each container reaches what is outside, and no other container."""
    if found(api.inspect_network, network) is None:
        with explained(lambda words: DockerFailed(f"Docker refused a network: {words}", hint="docker network ls")):
            options = {"com.docker.network.bridge.enable_icc": "false"}
            api.create_network(network, driver="bridge", options=options, labels={f"{LABEL}.network": "true"})
