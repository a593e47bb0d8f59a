"""Secrets on their way to Modal: what a sync would change in an app's Secret, and the change.

A Secret's values cannot be read back, so each value leaves a fingerprint in the app's tags: an HMAC under the token
itself. Whoever syncs with the same token sees what has changed, on any machine; for others everything has. A
fingerprint is taken out of the tags before its value is changed, and the next deployment brings the new one.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from theoryctl.errors import DigestDrift
from theoryctl.hints import command
from theoryctl.manifests.model import Manifest
from theoryctl.modal.deploy import deploy, runtime_secret
from theoryctl.modal.deployment import Deployment, fingerprint_key, new_generation, tags_of
from theoryctl.modal.endpoint import TOKEN
from theoryctl.modal.names import secret_name
from theoryctl.modal.sdk import found, holds, token_key
from theoryctl.progress import Progress
from theoryctl_providers.contract import missing_rules, secret_names

CREATED, UPDATED, UNCHANGED, MISSING, PRUNED = "created", "updated", "unchanged", "missing", "pruned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """Pending work for one app; `changes` has a word for each name, `values` never shows.

    `fingerprints` are what is known of the Secret now. `lost` says that the app's containers were promised another one.
    """

    deployment: Deployment
    fingerprints: Mapping[str, str]
    lost: bool
    values: Mapping[str, str]
    changes: Mapping[str, str]
    prune: bool

    def __repr__(self) -> str:
        return f"Sync({self.deployment.app}, {dict(self.changes)})"

    @property
    def missing(self) -> list[str]:
        """Secrets that the default model needs and nobody gave."""
        return [name for name, change in self.changes.items() if change == MISSING]

    @property
    def changes_something(self) -> bool:
        return self.prune or self.lost or any(change in (CREATED, UPDATED) for change in self.changes.values())

    def plan(self) -> SecretPlan:
        """The plan as people are told it."""
        ref, app = str(self.deployment.ref), self.deployment.app
        return SecretPlan(ref, app, secret_name(app), dict(self.changes), self.changes_something, self.prune)


def planned(modal: Any, deployment: Deployment, manifest: Manifest, values: Mapping[str, str], *, prune: bool) -> Sync:
    """Plan the changes to an app's Secret. Nothing is changed yet.

    Raises DigestDrift for an app that was rolled back: a sync deploys it anew, as it was deployed last.
    """
    if deployment.rolled_back:
        message = f"{deployment.app} was rolled back, and a sync would deploy {deployment.image} again"
        raise DigestDrift(message, hint=deployment.start_again())
    secret = _secret(modal, deployment)
    lost = secret is None or secret.object_id != deployment.secret_id
    known = {} if lost else deployment.fingerprints
    changes = {}
    for name in secret_names(manifest.secrets):
        if name in values:
            same = known.get(fingerprint_key(name)) == _fingerprint(deployment.app, name, values[name])
            changes[name] = UNCHANGED if same else UPDATED if _has(modal, deployment, name) else CREATED
    missing = missing_rules(manifest.secrets, values, manifest.models.default)
    changes |= {name: MISSING for name in secret_names(missing) if name not in values}
    if prune:
        changes |= dict.fromkeys(_gone(known, values, manifest), PRUNED)
    return Sync(deployment=deployment, fingerprints=known, lost=lost, values=values, changes=changes, prune=prune)


def apply(modal: Any, sync: Sync, progress: Progress) -> None:
    """Change the Secret, and deploy the app anew: containers that run keep the values they were started with.

    Raises what `access` raises where the Secret is made anew and has the token of an endpoint: it stays the same.
    """
    deployment, values = sync.deployment, dict(sync.values)
    own = _token(modal, deployment, progress) if sync.prune and not sync.lost else {}
    made = {fingerprint_key(name): _fingerprint(deployment.app, name, value) for name, value in values.items()}
    kept = {} if sync.prune else {key: code for key, code in sync.fingerprints.items() if made.get(key, code) == code}
    forgotten = replace(deployment, fingerprints=kept)
    where = {"environment_name": deployment.environment}
    modal.App.lookup(deployment.app, **where).set_tags(tags_of(forgotten))
    changed = {name: value for name, value in values.items() if sync.prune or sync.changes[name] != UNCHANGED}
    secret_id = _put(modal, sync, own | changed)
    known = {**kept, **made}
    deploy(modal, replace(deployment, fingerprints=known, secret_id=secret_id, generation=new_generation()))


def _token(modal: Any, deployment: Deployment, progress: Progress) -> dict[str, str]:
    """The token of the app's endpoint, as the Secret holds it; nothing where it has none."""
    from theoryctl.modal.access import access

    if deployment.endpoint is None:
        return {}
    look = command("modal logs", ref=deployment.ref, env=deployment.environment)
    return {TOKEN: access(modal, deployment, look, progress).token}


def _put(modal: Any, sync: Sync, values: dict[str, str]) -> str:
    """Put values into the Secret, a new one where it is pruned or not there. Returns its ID."""
    name, where = secret_name(sync.deployment.app), {"environment_name": sync.deployment.environment}
    if sync.prune:
        modal.Secret.objects.delete(name, allow_missing=True, **where)
    secret = runtime_secret(modal, sync.deployment)
    if values:
        secret.update(values)
    return str(secret.object_id)


def _secret(modal: Any, deployment: Deployment) -> Any:
    """The app's Secret; None where there is none."""
    named = modal.Secret.from_name(secret_name(deployment.app), environment_name=deployment.environment)
    return found(modal, named.hydrate)


def _has(modal: Any, deployment: Deployment, name: str) -> bool:
    return holds(modal, secret_name(deployment.app), deployment.environment, name)


def _gone(known: Mapping[str, str], values: Mapping[str, str], manifest: Manifest) -> Iterator[str]:
    """List what was synced before and is not given now, by its name, or as much of it as a tag has."""
    names = {fingerprint_key(name): name for name in secret_names(manifest.secrets)}
    given = {fingerprint_key(name) for name in values}
    return (names.get(key, key) for key in sorted(known) if key not in given)


def _fingerprint(app: str, name: str, value: str) -> str:
    """43 characters that are the same for the same value of the same secret of the same app."""
    code = hmac.digest(token_key(), f"{app}\0{name}\0{value}".encode(), "sha256")
    return base64.urlsafe_b64encode(code).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class SecretPlan:
    """Plan, or record, of a sync for one app: each name with `created`, `updated`, `unchanged`, `missing` or `pruned`.

    `recycled` says that Modal starts new containers, for those that run keep the values they were started with, and
    `anew` that the Secret is deleted and made again, without whatever else is in it.
    """

    ref: str
    app: str
    secret: str
    changes: Mapping[str, str]
    recycled: bool
    anew: bool

    def document(self) -> dict[str, Any]:
        names = {"ref": self.ref, "app": self.app, "secret": self.secret}
        return {**names, "secrets": dict(self.changes), "recycled": self.recycled, "anew": self.anew}
