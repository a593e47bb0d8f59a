"""Deploying an app: the shim's functions, and its server where it has one, in the image by its digest."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import ModuleType
from typing import Any

from theoryctl.errors import ModalRefused
from theoryctl.modal import endpoint
from theoryctl.modal.deployment import Deployment, tags_of
from theoryctl.modal.names import calls_name, registry_secret_name, secret_name, volume_name
from theoryctl.modal.sdk import found
from theoryctl.modal.shipped import shipped
from theoryctl_providers.contract import limits_told

#: The functions of an app, by mode: the one for mocks has no secrets, so that it needs none.
FUNCTIONS = {"real": "generate", "mock": "mock"}
#: Those for the lines of a batch: they stream nothing, and Modal keeps what they return.
BATCH_FUNCTIONS = {"real": "answer", "mock": "mock_answer"}
#: Changes with each sync of secrets, so that containers that are started from then on differ from older ones.
GENERATION = "THEORYCTL_SECRETS_GENERATION"
#: The key that every Secret of an app has: `modal secret create` refuses one without any, and so may the service.
MARKER = "THEORYCTL_APP"
#: Seconds that a container has beyond a request's own time, to load LiteLLM and to say that the time is over.
SLACK = 20
#: Seconds that Modal has to start a container, its image being pulled.
STARTUP = 300

_SHIM = "theoryctl_shim"


def deploy(
    modal: Any,
    deployment: Deployment,
    credentials: dict[str, str] | None = None,
    *,
    served: bytes | None = None,
    new_token: bool = False,
) -> Deployment:
    """Deploy the app, anew if it is there: Modal then starts new containers, and lets older ones end their requests.

    Its Secrets and Volume are made where they are not there yet, and are gone again where that fails; of a new Secret
    no fingerprint is true. `credentials` are those for its registry, to put into the Secret that the deployment names.
    `served` is the document of its endpoint, where it may not be in the Volume yet, and with `new_token` the endpoint
    gets another token.

    Raises ModalRefused (`ERR_MODAL`) for an image that cannot be had, and what `connected` explains.
    """
    with _all_or_nothing(modal, deployment), _outside_of_repositories():
        secret = runtime_secret(modal, deployment)
        secret_id = str(secret.object_id)
        if secret_id != deployment.secret_id:
            deployment = replace(deployment, secret_id=secret_id, fingerprints={})
        if credentials:
            _put_registry_secret(modal, deployment, credentials)
        if deployment.endpoint:
            endpoint.keep_token(modal, secret, deployment, anew=new_token)
        if served is not None:
            endpoint.put(modal, deployment, served)
        app, name = _app(modal, deployment), deployment.app
        try:
            app.deploy(name=name, environment_name=deployment.environment, tag=deployment.deploy_tag)
        except modal.exception.RemoteError as error:
            raise _not_built(deployment, error) from None
        # The number of a deployment is known once it is there; a rollback makes another one live, and keeps the tags.
        live = app.info(refresh=True).lifecycle.version
        deployment = replace(deployment, version=live, live=live)
        if deployment.endpoint:
            url = endpoint.address(modal, deployment)
            deployment = replace(deployment, endpoint=replace(deployment.endpoint, url=url))
        app.set_tags(tags_of(deployment))
    return replace(deployment, app_id=app.app_id, deployed_at=time.time())


def _put_registry_secret(modal: Any, deployment: Deployment, credentials: dict[str, str]) -> None:
    name, where = registry_secret_name(deployment.app), {"environment_name": deployment.environment}
    secret = found(modal, modal.Secret.from_name(name, **where).hydrate)
    if secret is None:
        modal.Secret.objects.create(name, credentials, **where)
    else:
        secret.update(credentials)


def runtime_secret(modal: Any, deployment: Deployment) -> Any:
    """Return the app's Secret, made without a key of a vendor where it is not there."""
    name, where = secret_name(deployment.app), {"environment_name": deployment.environment}
    modal.Secret.objects.create(name, {MARKER: deployment.app}, allow_existing=True, **where)
    return modal.Secret.from_name(name, **where).hydrate()


def _app(modal: Any, deployment: Deployment) -> Any:
    app, shim = modal.App(deployment.app, tags=tags_of(deployment)), shipped(_SHIM)
    concurrent = modal.concurrent(max_inputs=deployment.resources.concurrency)
    settings = _settings(modal, shim, deployment)
    secrets = [modal.Secret.from_name(secret_name(deployment.app), environment_name=deployment.environment)]
    app.function(**settings, **_kept_warm(deployment), secrets=secrets)(concurrent(shim.generate))
    app.function(**settings)(concurrent(shim.mock))
    app.function(**settings, secrets=secrets)(concurrent(shim.answer))
    app.function(**settings)(concurrent(shim.mock_answer))
    if deployment.endpoint:
        endpoint.define(modal, app, deployment, settings, _kept_warm(deployment))
    return app


def _settings(modal: Any, shim: ModuleType, deployment: Deployment) -> dict[str, Any]:
    """Make the arguments of `App.function`."""
    environment, resources = deployment.environment, deployment.resources
    from_name = {"environment_name": environment}
    volume = modal.Volume.from_name(volume_name(deployment.app), create_if_missing=True, **from_name)
    return {
        "image": _image(modal, deployment),
        "env": {
            shim.IMAGE: deployment.image,
            shim.VOLUME: volume_name(deployment.app),
            shim.CALLS: calls_name(deployment.app),
            shim.ENVIRONMENT: environment,
            GENERATION: deployment.generation,
            **limits_told(resources.cpu, resources.memory),
        },
        "volumes": {shim.MOUNT: volume},
        "cpu": resources.cpu,
        "memory": resources.memory,
        "gpu": resources.gpu,
        "timeout": resources.timeout + SLACK,
        "startup_timeout": STARTUP,
        "max_containers": resources.max_containers,
        "scaledown_window": resources.scaledown_window,
        "region": resources.region,
        "nonpreemptible": resources.nonpreemptible,
    }


def _kept_warm(deployment: Deployment) -> dict[str, Any]:
    """Make the arguments about containers that run without need: mocks can wait, so they pay for none."""
    resources = deployment.resources
    return {"min_containers": resources.min_containers, "buffer_containers": resources.buffer_containers}


def _image(modal: Any, deployment: Deployment) -> Any:
    """The image as it is but for its entry point, which would serve HTTP instead of what Modal wants to run."""
    name, environment = deployment.registry_secret, deployment.environment
    secret = modal.Secret.from_name(name, environment_name=environment) if name else None
    return modal.Image.from_registry(deployment.image, secret=secret).entrypoint([])


@contextmanager
def _all_or_nothing(modal: Any, deployment: Deployment) -> Iterator[None]:
    """Remove the Secrets and the Volume that were made for a deployment, if it fails."""
    app = deployment.app
    names = (
        (modal.Secret, secret_name(app)),
        (modal.Secret, registry_secret_name(app)),
        (modal.Volume, volume_name(app)),
    )
    where = {"environment_name": deployment.environment}
    new = [(kind, name) for kind, name in names if found(modal, kind.from_name(name, **where).hydrate) is None]
    try:
        yield
    except BaseException:
        for kind, name in new:
            kind.objects.delete(name, allow_missing=True, **where)
        raise


@contextmanager
def _outside_of_repositories() -> Iterator[None]:
    """Modal would record branch, author and origin of the repository that it is deployed from."""
    before = os.environ.get("GIT_DIR")
    os.environ["GIT_DIR"] = os.devnull
    try:
        yield
    finally:
        del os.environ["GIT_DIR"]
        if before is not None:
            os.environ["GIT_DIR"] = before


def _not_built(deployment: Deployment, error: Exception) -> ModalRefused:
    hint = "look whether it is there, and name the Secret of a private registry with --registry-secret"
    return ModalRefused(f"Modal could not make a container of {deployment.image}: {error}", hint=hint)
