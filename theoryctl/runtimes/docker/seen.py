"""A provider's container as the daemon sees it: what its labels tell, and the network that it is on."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime

from theoryctl.docker import containers
from theoryctl.docker.client import Client
from theoryctl.docker.containers import Container
from theoryctl.instances import connection, records
from theoryctl.instances.connection import Health
from theoryctl.instances.instance import Instance
from theoryctl.paths import file_lock, state_dir

#: The label of a container that was started under a name.
NAME = "name"


def from_labels(seen: Container) -> Instance | None:
    """Read the labels of a container whose record is lost: without its token nobody can run anything in it. None where
    they are not those that a start writes.
    """
    try:
        return _labelled(seen)
    except (KeyError, ValueError):
        return None


def _labelled(seen: Container) -> Instance:
    labels = {name.removeprefix(f"{containers.LABEL}."): value for name, value in seen.labels.items()}
    return Instance(
        ref=labels["ref"],
        runtime="docker",
        name=labels.get(NAME),
        url=(seen.running and seen.url) or "",
        mode=labels["mode"],
        token="",
        started_at=datetime.fromisoformat(seen.created).timestamp(),
        manifest_digest=labels["manifest"],
        secrets_present=(),
        secrets_absent=(),
        max_attachment=0,
        platform=labels["platform"],
        container=seen.id,
        image=labels["image"],
        digest=labels["digest"],
    )


def state_of(seen: Container) -> str | None:
    """The id of the state folder that a container was started from."""
    return seen.labels.get(f"{containers.LABEL}.state")


def network_of(state: str) -> str:
    """Return the name of the network that the containers of a state folder share."""
    return f"theoryctl-{state}"


def network_alone() -> AbstractContextManager[None]:
    """Hold the lock of that network: nobody drops it between the creation of a container and its start."""
    return file_lock(state_dir() / "network.lock")


def drop_network(client: Client) -> None:
    """Remove that network, unless something is on it."""
    with network_alone():
        containers.drop_network(client, network_of(records.state_id() or ""))


def health_of(instance: Instance, seen: Container | None) -> Health | None:
    """Ask an instance for its health; `seen` is what the daemon knows of its container, None where it was not asked."""
    if not instance.url or not instance.token:
        return None
    return connection.health(instance, lambda _: is_published(seen, instance))


def is_published(seen: Container | None, instance: Instance) -> bool:
    """Return whether a container runs, and the daemon listens for it at the instance's URL."""
    return seen is not None and seen.running and seen.url == instance.url
