"""The work behind `theoryctl modal sync-secrets`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from theoryctl.errors import MissingSecret, NotDeployed, UsageError
from theoryctl.hints import command
from theoryctl.manifests.catalog import Catalog, Found
from theoryctl.manifests.model import Manifest
from theoryctl.modal import apps
from theoryctl.modal.build_log import followed_builds
from theoryctl.modal.deployment import Deployment
from theoryctl.modal.sdk import connected
from theoryctl.modal.secret_sync import apply, planned
from theoryctl.progress import Progress
from theoryctl.refs import ProviderRef
from theoryctl.results.modal import SecretsSynced
from theoryctl.secrets import given_secrets, is_text, on_this_host
from theoryctl_providers.contract import secret_names

_BUNDLED = "bundled"
_OWN = ("--manifests", "THEORYCTL_MANIFESTS", "project")

_UNSET, _EMPTY, _BROKEN = "not set", "set, but empty", "holds characters that no key has"
_HERE = "an address of this machine, which a container on Modal cannot reach"
_HINTS = {
    _UNSET: "set {} or name a file with --env-file, or add --allow-missing",
    _EMPTY: "give {} a value or unset it",
    _BROKEN: "copy {} again",
    _HERE: "give {} an address that the internet knows",
}


def sync_secrets(
    ref: ProviderRef | None,
    environment: str,
    *,
    app: str | None = None,
    env_file: str | None,
    manifests: str | None,
    check: bool,
    prune: bool,
    allow_missing: bool,
    progress: Progress,
) -> SecretsSynced:
    """Take the secrets that manifests name to the Secrets of one's own apps: of one ref, else of all that are deployed.

    `app` names another app of the ref instead. Everything is read and compared before anything is changed.

    Raises NotDeployed where nothing is deployed, and one error for all values of the deployed ones that cannot go to
    Modal: MissingSecret (`ERR_MISSING_SECRET`), also for names that a default model needs and nobody gave (with `check`
    the plan says it), or UsageError where they are merely addresses that only this machine can reach.
    """
    if app is not None and ref is None:
        raise UsageError("--app: expected --ref with it, got none", hint="name the provider of the app with --ref")
    found = [Catalog(manifests).find(ref)] if ref is not None else _all(manifests)
    loaded = [(each, each.load()) for each in found]
    given = {str(each.ref): _given(manifest, env_file) for each, manifest in loaded}
    with connected() as modal:
        where, skipped = _deployed(modal, loaded, environment, app, must=ref is not None)
        faults = _faults(given[str(deployment.ref)] for deployment, _ in where)
        syncs = []
        for deployment, manifest in where:
            values = {name: value for name, value in given[str(deployment.ref)].items() if name not in faults}
            syncs.append(planned(modal, deployment, manifest, values, prune=prune))
        missing = {name: _UNSET for sync in syncs for name in sync.missing}
        if faults or (missing and not allow_missing and not check):
            raise _refused({**({} if allow_missing else missing), **faults})
        for sync in syncs if not check else ():
            if sync.changes_something:
                progress.step(f"putting {', '.join(sync.values) or 'nothing'} into {sync.deployment.app}")
                with followed_builds(progress):
                    apply(modal, sync, progress)
    plans = tuple(sync.plan() for sync in syncs)
    return SecretsSynced(environment, plans, tuple(skipped), check, complete=allow_missing or not missing)


def _all(manifests: str | None) -> list[Found]:
    """The project's own manifests, or where it has none those that came with theoryctl."""
    everything = Catalog(manifests).all()
    own = [found for found in everything if found.source in _OWN]
    return own or [found for found in everything if found.source == _BUNDLED]


def _given(manifest: Manifest, env_file: str | None) -> dict[str, str]:
    return given_secrets(secret_names(manifest.secrets), env_file)


def _faults(given: Iterable[dict[str, str]]) -> dict[str, str]:
    """The faults of values, by their names."""
    every = {name: _fault(value) for values in given for name, value in values.items()}
    return {name: fault for name, fault in every.items() if fault}


def _fault(value: str) -> str | None:
    """The reason that a value cannot go to Modal; None where it can."""
    if not value:
        return _EMPTY
    if not is_text(value):
        return _BROKEN
    return _HERE if on_this_host(value, unspecified=True) else None


def _deployed(
    modal: Any, loaded: list[tuple[Found, Manifest]], environment: str, app: str | None, *, must: bool
) -> tuple[list[tuple[Deployment, Manifest]], list[str]]:
    """The apps of these refs, and the refs that are not deployed."""
    there, skipped = [], []
    for each, manifest in loaded:
        try:
            there.append((apps.own(modal, each.ref, environment, app), manifest))
        except NotDeployed:
            if must:
                raise
            skipped.append(str(each.ref))
    if not there:
        message = f"nothing is deployed on Modal in the environment {environment}: {', '.join(skipped)}"
        raise NotDeployed(message, hint=command("modal start", ref=skipped[0], env=environment))
    return there, skipped


def _refused(faults: dict[str, str]) -> MissingSecret | UsageError:
    """One error for all names, with what is wrong with each."""
    named = {fault: ", ".join(name for name in sorted(faults) if faults[name] == fault) for fault in _HINTS}
    message = "; ".join(f"{names}: {fault}" for fault, names in named.items() if names)
    hint = "; ".join(_HINTS[fault].format(names) for fault, names in named.items() if names)
    kind = UsageError if set(faults.values()) == {_HERE} else MissingSecret
    return kind(f"{message}; nothing was changed", hint=hint)
