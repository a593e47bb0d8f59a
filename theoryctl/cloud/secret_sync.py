"""Secrets on their way to Modal: what a sync would change in an app's Secret, and the change.

A Secret's values cannot be read back, so each value leaves a fingerprint in the app's tags: an HMAC under the token
itself. Whoever syncs with the same token sees what has changed, on any machine; for others everything has.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from theoryctl.cloud.deploy import deploy
from theoryctl.cloud.deployments import Deployment, fingerprint_key
from theoryctl.cloud.names import secret_name
from theoryctl.cloud.sdk import found, token_key
from theoryctl.manifest import Manifest
from theoryctl.results.modal import SecretPlan

CREATED, UPDATED, UNCHANGED, MISSING, PRUNED = "created", "updated", "unchanged", "missing", "pruned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """What is to be done for one app; `changes` has a word for each name, `values` never shows."""

    deployment: Deployment
    manifest: Manifest
    values: Mapping[str, str]
    changes: Mapping[str, str]
    prune: bool

    def __repr__(self) -> str:
        return f"Sync({self.deployment.app}, {dict(self.changes)})"

    @property
    def missing(self) -> list[str]:
        """What the default model needs, and nobody gave."""
        return [name for name, change in self.changes.items() if change == MISSING]

    @property
    def changes_something(self) -> bool:
        return self.prune or any(change in (CREATED, UPDATED) for change in self.changes.values())

    def plan(self, *, done: bool) -> SecretPlan:
        """What people are told."""
        app, recycled = self.deployment.app, done and self.changes_something
        return SecretPlan(str(self.deployment.ref), app, secret_name(app), dict(self.changes), recycled)


def planned(modal: Any, deployment: Deployment, manifest: Manifest, values: Mapping[str, str], *, prune: bool) -> Sync:
    """What has to change in the app's Secret. Nothing is changed yet."""
    known = deployment.fingerprints if _secret(modal, deployment) is not None else {}
    model = manifest.models.default
    changes = {}
    for rule in manifest.secret_rules:
        before = known.get(fingerprint_key(rule.name))
        if rule.name in values:
            same = before == _fingerprint(deployment.app, rule.name, values[rule.name])
            changes[rule.name] = UNCHANGED if same else UPDATED if before else CREATED
        elif rule.required and rule.applies_to(model):
            changes[rule.name] = MISSING
    if prune:
        changes |= dict.fromkeys(_gone(known, values, manifest), PRUNED)
    return Sync(deployment=deployment, manifest=manifest, values=values, changes=changes, prune=prune)


def apply(modal: Any, sync: Sync) -> None:
    """Change the Secret, and deploy the app anew: containers that run keep the values they were started with."""
    import secrets

    deployment, values = sync.deployment, dict(sync.values)
    name, where = secret_name(deployment.app), {"environment_name": deployment.environment}
    secret = _secret(modal, deployment)
    if secret is not None and sync.prune:
        modal.Secret.objects.delete(name, **where)
        secret = None
    if secret is None:
        modal.Secret.objects.create(name, values, **where)
    else:
        secret.update({name: value for name, value in values.items() if sync.changes[name] != UNCHANGED})
    made = {fingerprint_key(name): _fingerprint(deployment.app, name, value) for name, value in values.items()}
    kept = {} if sync.prune else deployment.fingerprints
    resources = sync.manifest.resources
    changed = replace(
        deployment,
        fingerprints={**kept, **made},
        generation=secrets.token_hex(8),
        timeout=resources.timeout,
    )
    deploy(modal, changed, resources)


def _secret(modal: Any, deployment: Deployment) -> Any:
    where = {"environment_name": deployment.environment}
    return found(modal, modal.Secret.from_name(secret_name(deployment.app), **where).hydrate)


def _gone(known: Mapping[str, str], values: Mapping[str, str], manifest: Manifest) -> Iterator[str]:
    """What was synced before and is not given now, by its name, or as much of it as a tag has."""
    names = {fingerprint_key(secret.name): secret.name for secret in manifest.secrets}
    given = {fingerprint_key(name) for name in values}
    return (names.get(key, key) for key in sorted(known) if key not in given)


def _fingerprint(app: str, name: str, value: str) -> str:
    """43 characters that are the same for the same value of the same secret of the same app."""
    code = hmac.digest(token_key(), f"{app}\0{name}\0{value}".encode(), "sha256")
    return base64.urlsafe_b64encode(code).decode().rstrip("=")
