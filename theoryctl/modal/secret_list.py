"""The Secrets that theoryctl made in an environment: an app's own, and the one for its registry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from theoryctl.modal.apps import AT_A_TIME
from theoryctl.modal.deploy import MARKER
from theoryctl.modal.deployment import Deployment
from theoryctl.modal.names import registry_secret_name
from theoryctl.modal.sdk import holds


@dataclass(frozen=True, slots=True)
class AppSecret:
    """A Secret of an app, which need not be deployed any more: `deployment` is None then.

    `synced` has the names that `sync-secrets` put there, each as far as a tag has room for it; None where that is not
    known, as of a Secret without its app. Modal's client has no public way to learn a Secret's keys. Times are seconds
    since the epoch, `last_used` None where it never was or the client does not know; `created_by` is Modal's name of a
    user.
    """

    name: str
    app: str
    deployment: Deployment | None
    registry: bool
    synced: tuple[str, ...] | None
    created_at: float
    created_by: str | None
    last_used: float | None


def app_secrets(modal: Any, environment: str, deployments: Iterable[Deployment]) -> list[AppSecret]:
    """Find theoryctl's Secrets in an environment, sorted by name; `deployments` are all that it has there."""
    apps = {each.app: each for each in deployments}
    there = {secret.info().name: secret for secret in modal.Secret.objects.list(environment_name=environment)}
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        strangers = [name for name in there if name not in apps]
        marked = pool.map(lambda name: holds(modal, name, environment, MARKER), strangers)
        ours = {*apps, *(name for name, is_ours in zip(strangers, marked, strict=True) if is_ours)}
    of_registry = {registry_secret_name(app): app for app in ours}
    listed = [_described(there[name], name, apps, registry=False) for name in ours if name in there]
    listed += [_described(there[name], app, apps, registry=True) for name, app in of_registry.items() if name in there]
    return sorted(listed, key=lambda each: each.name)


def _described(secret: Any, app: str, apps: Mapping[str, Deployment], *, registry: bool) -> AppSecret:
    info, deployment = secret.info(), apps.get(app)
    last_used = getattr(info, "last_used", None)  # 1.6.3 does not know it
    known = deployment is not None and not registry and deployment.secret_id == secret.object_id
    return AppSecret(
        name=info.name,
        app=app,
        deployment=deployment,
        registry=registry,
        synced=tuple(sorted(deployment.fingerprints)) if deployment and known else None,
        created_at=info.created_at.timestamp(),
        created_by=info.created_by,
        last_used=last_used and last_used.timestamp(),
    )
