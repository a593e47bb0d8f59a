"""A provider's container: what a start makes of it, and what its labels tell of it later."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import datetime

from theoryctl.docker import containers
from theoryctl.docker.containers import Container
from theoryctl.docker.creation import HOST_NAME, ContainerSpec
from theoryctl.images.choice import Pinned
from theoryctl.instances.instance import Instance
from theoryctl.runtimes.docker.image import ReadyImage
from theoryctl.runtimes.start_request import StartRequest
from theoryctl.secrets import on_this_host
from theoryctl_providers.contract import ServerConfig, limits_told, served_modes

#: The label of a container that was started under a name.
_NAME = "name"


def spec_of(request: StartRequest, image: ReadyImage, state: str) -> ContainerSpec:
    """Describe the container of a start from the state folder with the id `state`."""
    ref, name = request.ref, request.key.name
    return ContainerSpec(
        name="-".join(filter(None, ("theoryctl", ref.namespace, ref.name, str(ref.version), state[:8], name))),
        port=request.port,
        image=image.image_id,
        network=network_of(state),
        labels={
            "ref": str(ref),
            **({_NAME: name} if name else {}),
            "state": state,
            "instance": secrets.token_hex(8),
            "digest": image.digest,
            "image": image.reference,
            "mode": request.server.provider.mode,
            "platform": image.choice.platform,
            "manifest": request.manifest_digest,
        },
        resources=request.resources,
        reaches_host=any(map(on_this_host, request.server.provider.secrets.values())),
        environment={
            **served_modes(request.server.provider),
            **limits_told(request.resources.cpu, request.resources.memory),
        },
    )


def server_config(request: StartRequest, image: ReadyImage) -> ServerConfig:
    """Make the server's settings: its image and platform, and addresses of this host as the container sees them."""
    provider = request.server.provider
    seen_from_there = {name: _from_inside(value) for name, value in provider.secrets.items()}
    named = image.reference if isinstance(image.choice, Pinned) else f"{image.reference}@{image.digest}"
    provider = replace(provider, secrets=seen_from_there, image=named, platform=image.choice.platform)
    return replace(request.server, provider=provider)


def _from_inside(value: str) -> str:
    address = on_this_host(value)
    if address is None:
        return value
    port = f":{address.port}" if address.port else ""
    return address._replace(netloc=f"{HOST_NAME}{port}").geturl()


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
        name=name_of(seen),
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


def name_of(seen: Container) -> str | None:
    """The name that a container was started under."""
    return seen.labels.get(f"{containers.LABEL}.{_NAME}")


def network_of(state: str) -> str:
    """Return the name of the network that the containers of a state folder share."""
    return f"theoryctl-{state}"
