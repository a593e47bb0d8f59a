"""The endpoint of an app: its server beside the functions, the address of it, and its token."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from io import BytesIO
from typing import Any

from theoryctl.errors import ModalRefused
from theoryctl.modal.deployment import Deployment
from theoryctl.modal.names import secret_name, volume_name
from theoryctl.modal.sdk import found, holds, upload
from theoryctl.modal.shipped import shipped
from theoryctl.secrets import new_token
from theoryctl_providers.contract import SERVES_VARIABLE, ProviderConfig, dump_config, is_mock, sha256

#: The server of an app, and the function that hands out its token.
SERVER, ACCESS = "server", "access"
#: The port that the server listens on in its container, which is also the one of its proof in `/healthz`.
PORT = 8000
#: The key of the app's Secret that holds the token.
TOKEN = "THEORYCTL_TOKEN"
#: Seconds that requests may take once a container has been told to end: Modal kills it after 30
#: (modal.com/docs/guide/servers, "Container lifecycle"). Before that they have MOST_GRACE at most, as
#: `modal/_server.py` (`validate_http_server_config`) checks it.
DRAIN, MOST_GRACE = 20.0, 3600
#: The part of a container's `concurrency` at which Modal begins another one, before the first has to refuse requests.
FULL = 0.75
#: Seconds that handing out the token may take, and that its container waits for another caller: the least that Modal
#: allows.
ACCESS_SECONDS, ACCESS_IDLE = 60, 2

_MODULE = "theoryctl_server"
_SHARED = ("image", "volumes", "cpu", "memory", "gpu", "startup_timeout", "max_containers", "scaledown_window")


def document(config: ProviderConfig, concurrency: int) -> bytes:
    """Make the document of what is served, which has no secret: a server in a container completes it.

    `concurrency` is the largest number of requests that it takes at the same time.
    """
    rules = [asdict(rule) for rule in config.secret_rules]
    provider = {**dump_config(config, None), "secret_rules": rules}
    limits = {"concurrency": concurrency, "drain_seconds": DRAIN}
    return json.dumps({"provider": provider, "limits": limits}, sort_keys=True).encode()


def put(modal: Any, deployment: Deployment, data: bytes) -> None:
    """Put a document into the app's Volume, under its digest, unless it is there."""
    name, environment = volume_name(deployment.app), deployment.environment
    volume = modal.Volume.from_name(name, environment_name=environment, create_if_missing=True)
    path = _path(sha256(data))
    if not any(entry.size == len(data) for entry in found(modal, volume.listdir, path) or ()):
        upload(volume, {path: BytesIO(data)}, len(data), "the document of the endpoint")


def keep_token(modal: Any, secret: Any, deployment: Deployment, *, anew: bool) -> None:
    """See to it that the app's Secret holds a token; with `anew` it is another one than before."""
    if anew or not holds(modal, secret_name(deployment.app), deployment.environment, TOKEN):
        secret.update({TOKEN: new_token()})


def define(modal: Any, app: Any, deployment: Deployment, settings: Mapping[str, Any], warm: Mapping[str, Any]) -> None:
    """Define the server of an app and the function for its token.

    `settings` are those of its functions, and `warm` those about containers that run without need.
    """
    endpoint, concurrency = deployment.endpoint, deployment.resources.concurrency
    assert endpoint is not None
    module = shipped(_MODULE)
    env = {**settings["env"], module.DOCUMENT: _path(endpoint.document), module.PORT: str(PORT)}
    if endpoint.mode is not None and is_mock(endpoint.mode):
        env[SERVES_VARIABLE] = endpoint.mode
    secret = modal.Secret.from_name(secret_name(deployment.app), environment_name=deployment.environment)
    app.server(
        **{name: settings[name] for name in _SHARED},
        **warm,
        env=env,
        secrets=[secret],
        name=SERVER,
        port=PORT,
        unauthenticated=not endpoint.proxy_auth,
        compute_region=settings["region"],
        nonpreemptible=settings["nonpreemptible"],
        target_concurrency=max(1.0, FULL * concurrency),
        exit_grace_period=min(settings["timeout"], MOST_GRACE),
    )(module.Server)
    app.function(
        image=settings["image"],
        env=env,
        secrets=[secret],
        name=ACCESS,
        timeout=ACCESS_SECONDS,
        startup_timeout=settings["startup_timeout"],
        max_containers=1,
        scaledown_window=ACCESS_IDLE,
    )(module.access)


def address(modal: Any, deployment: Deployment) -> str:
    """Return the public address of an app's server. Raises ModalRefused where Modal has given it none."""
    server = modal.Server.from_name(deployment.app, SERVER, environment_name=deployment.environment)
    url = server.get_url()
    if not url:
        hint = deployment.start_again(serve=True)
        raise ModalRefused(f"Modal gave the server of {deployment.app} no address", hint=hint)
    return str(url).rstrip("/")


def _path(digest: str) -> str:
    return digest.replace(":", "/")
