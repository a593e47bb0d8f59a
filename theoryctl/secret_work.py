"""The work behind `theoryctl modal sync-secrets`."""

from __future__ import annotations

from typing import Any

from theoryctl.catalog import Catalog, Found
from theoryctl.cloud import apps
from theoryctl.cloud.deployments import Deployment
from theoryctl.cloud.sdk import connected
from theoryctl.cloud.secret_sync import apply, planned
from theoryctl.errors import MissingSecret, NotDeployed, UsageError
from theoryctl.manifest import Manifest
from theoryctl.progress import Progress
from theoryctl.refs import ProviderRef
from theoryctl.results.modal import SecretsSynced
from theoryctl.secrets import empty_secrets, on_this_host, read_secrets

_BUNDLED = "bundled"
_OWN = ("--manifests", "THEORYCTL_MANIFESTS", "project")


def sync_secrets(
    ref: ProviderRef | None,
    environment: str,
    *,
    env_file: str | None,
    manifests: str | None,
    check: bool,
    prune: bool,
    allow_missing: bool,
    progress: Progress,
) -> SecretsSynced:
    """Take the secrets that manifests name to the Secrets of their apps: of one ref, else of all that are deployed.

    Everything is read and compared before anything is changed. Raises MissingSecret (`ERR_MISSING_SECRET`) with every
    name that a default model needs and nobody gave (with `check` the plan says it), UsageError for an address that only
    this machine can reach, and NotDeployed where nothing is deployed.
    """
    found = [Catalog(manifests).find(ref)] if ref is not None else _all(manifests)
    loaded = [(each, each.load()) for each in found]
    values = {str(each.ref): _values(manifest, env_file) for each, manifest in loaded}
    with connected() as modal:
        where, skipped = _deployed(modal, loaded, environment, must=ref is not None)
        syncs = [
            planned(modal, deployment, manifest, values[str(deployment.ref)], prune=prune)
            for deployment, manifest in where
        ]
        missing = sorted({name for sync in syncs for name in sync.missing})
        if missing and not allow_missing and not check:
            raise _missing(missing)
        for sync in syncs if not check else ():
            if sync.changes_something:
                progress.step(f"putting {', '.join(sync.values)} into {sync.deployment.app}")
                apply(modal, sync)
    plans = tuple(sync.plan(done=not check) for sync in syncs)
    return SecretsSynced(environment, plans, tuple(skipped), check, complete=allow_missing or not missing)


def _all(manifests: str | None) -> list[Found]:
    """The project's own manifests, or where it has none those that came with theoryctl."""
    everything = Catalog(manifests).all()
    own = [found for found in everything if found.source in _OWN]
    return own or [found for found in everything if found.source == _BUNDLED]


def _values(manifest: Manifest, env_file: str | None) -> dict[str, str]:
    """What is given of a manifest's secrets. Raises MissingSecret for one that is set and empty."""
    names = [secret.name for secret in manifest.secrets]
    if empty := empty_secrets(names, env_file):
        hint = f"give {' and '.join(empty)} a value, or unset {'it' if len(empty) == 1 else 'them'}"
        raise MissingSecret(f"{', '.join(empty)}: set, but empty", hint=hint)
    values = read_secrets(names, env_file)
    for name, value in values.items():
        if on_this_host(value):
            message = f"{name} is an address of this machine, which a container on Modal cannot reach"
            raise UsageError(message, hint=f"give {name} an address that the internet knows")
    return values


def _deployed(
    modal: Any, loaded: list[tuple[Found, Manifest]], environment: str, *, must: bool
) -> tuple[list[tuple[Deployment, Manifest]], list[str]]:
    """The apps of these refs, and the refs that are not deployed."""
    there, skipped = [], []
    for each, manifest in loaded:
        try:
            there.append((apps.find(modal, each.ref, environment), manifest))
        except NotDeployed:
            if must:
                raise
            skipped.append(str(each.ref))
    if not there:
        message = f"nothing is deployed on Modal in the environment {environment}: {', '.join(skipped)}"
        raise NotDeployed(message, hint=f"theoryctl modal start --ref REF --env {environment}")
    return there, skipped


def _missing(names: list[str]) -> MissingSecret:
    verb = "is" if len(names) == 1 else "are"
    hint = " ".join(f"export {name}=…" for name in names) + ", or name a file with --env-file, or add --allow-missing"
    return MissingSecret(f"{', '.join(names)} {verb} not set, and nothing was changed", hint=hint)
