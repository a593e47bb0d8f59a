"""A provider's container as a start makes it."""

from __future__ import annotations

import secrets
from dataclasses import replace

from theoryctl.docker.creation import HOST_NAME, ContainerSpec
from theoryctl.images.choice import Pinned
from theoryctl.runtimes.docker.image import ReadyImage
from theoryctl.runtimes.docker.seen import NAME, network_of
from theoryctl.runtimes.start_request import StartRequest
from theoryctl.secrets import on_this_host
from theoryctl_providers.contract import ServerConfig, limits_told, served_modes


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
            **({NAME: name} if name else {}),
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
