"""The work behind `theoryctl modal`, but for `run`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from theoryctl.actions.modal_endpoint import EndpointOptions, planned
from theoryctl.actions.modal_image import image_to_deploy, pinned_here
from theoryctl.actions.runs import modal_intake
from theoryctl.actions.runs.intake import take_in_modal
from theoryctl.errors import TheoryctlError, UsageError
from theoryctl.manifests.catalog import Catalog, Found
from theoryctl.manifests.pins import other_pin
from theoryctl.modal import apps
from theoryctl.modal.answers import KeptAnswers
from theoryctl.modal.deployment import PLATFORM, Deployment, new_generation
from theoryctl.modal.leftovers import remove
from theoryctl.modal.logs import log_lines
from theoryctl.modal.names import is_app_id, own_name, owner_in, registry_secret_name, secret_name
from theoryctl.modal.sdk import check_environment, connected, explaining, found
from theoryctl.progress import Progress
from theoryctl.refs import ProviderRef
from theoryctl.registry.reference import ImageReference
from theoryctl.results.modal import Deployed, DeploymentRow, DeploymentsShown, RolledBack, Undeployed
from theoryctl_providers.contract import ProviderError

#: Seconds of an app's log that the ledger takes in before the app is stopped.
_TAKEN_IN = 7 * 86400.0


def start(
    ref: ProviderRef,
    environment: str,
    *,
    oci: str | None,
    registry_secret: str | None,
    manifests: str | None,
    endpoint: EndpointOptions,
    progress: Progress,
) -> Deployed:
    """Deploy the image of a ref by its digest, with an endpoint or without.

    Raises NotPinned (`ERR_NOT_PINNED`), UsageError where branch or user are not known, or another ref or owner has the
    name, what `planned` and what deploying raises.
    """
    from theoryctl.modal import deploy
    from theoryctl.modal.build_log import followed_builds

    manifest = Catalog(manifests).find(ref)
    wanted = _wanted(manifest, environment, oci)
    credentials = _registry_credentials() if registry_secret is None else None
    with connected() as modal:
        check_environment(modal, environment)
        before = apps.before_start(modal, wanted.app, environment)
        _check_owner(before, wanted)
        wanted, served = planned(manifest, wanted, before, endpoint)
        if credentials:
            registry_secret = registry_secret_name(wanted.app)
        elif registry_secret is not None:
            _check_registry_secret(modal, registry_secret, environment)
        if before is not None:
            wanted = _following(wanted, before)
        wanted = replace(wanted, registry_secret=registry_secret)
        if endpoint.rotate_token:
            wanted = replace(wanted, generation=new_generation())
        progress.step(f"deploying {wanted.app} to Modal ({environment}) from {wanted.image}")
        with followed_builds(progress):
            done = deploy.deploy(modal, wanted, credentials, served=served, new_token=endpoint.rotate_token)
    modal_intake.remember(done)
    return Deployed(done, same_digest=before is not None and before.digest == done.digest)


def _following(wanted: Deployment, before: Deployment) -> Deployment:
    """The deployment after another one of the same app: the secrets are still those that were synced."""
    return replace(
        wanted,
        fingerprints=before.fingerprints,
        generation=before.generation,
        secret_id=before.secret_id,
        previous=before.previous if before.image == wanted.image else before.image,
    )


def rollback(
    ref: ProviderRef, environment: str, app: str | None, manifests: str | None, progress: Progress
) -> RolledBack:
    """Deploy the image again that one's own app of a ref, or `app`, had before the present one. All else stays.

    Modal's own rollback would bring older resources and an older state of the secrets back, and leave the app's tags as
    they are, so that nobody could tell what runs. Raises UsageError where no other image is known.
    """
    from theoryctl.modal import deploy
    from theoryctl.modal.build_log import followed_builds

    with connected() as modal:
        before = apps.own(modal, ref, environment, app)
        if before.previous is None:
            hint = "deploy the image that you want by its digest, with --oci"
            raise UsageError(f"{before.app} has had no image but {before.image}", hint=hint)
        image = ImageReference.parse(before.previous)
        assert image.digest is not None
        wanted = replace(before, repository=image.name, digest=image.digest, previous=before.image)
        pinned = pinned_here(ref, manifests)
        progress.step(f"deploying {wanted.app} to Modal ({environment}) from {wanted.image}")
        with followed_builds(progress):
            done = deploy.deploy(modal, replace(wanted, pin=pinned or wanted.pin))
    return RolledBack(done, before.image, pinned)


def status(ref: ProviderRef | None, environment: str, manifests: str | None) -> DeploymentsShown:
    """Find the deployed apps of an environment, of one ref or of all."""
    with connected() as modal:
        there = [each for each in apps.deployed(modal, environment) if ref in (None, each.ref)]
    rows = tuple(DeploymentRow(each, _drift(each, manifests)) for each in there)
    return DeploymentsShown(environment, rows, None if ref is None else str(ref))


def stop(ref: ProviderRef, environment: str, app: str | None = None, *, discard: bool = False) -> Undeployed:
    """Stop one's own app of a ref, or `app`, and remove its Volume, its Dict and the credentials for its registry.

    Its Secret stays, for the next start, and so does a Volume with answers of detached batches that nobody has
    collected, unless it is to `discard` them. What is stopped already is no error. Where nothing has the name `app`,
    nothing is removed: what is called after it may be of another app. Raises NotDeployed for an app that is another's,
    and UsageError for an ID.
    """
    apps.check_name(app, environment)
    name, kept = app or own_name(ref, environment), tuple[str, ...]()
    with connected() as modal:
        there = found(modal, modal.App.lookup, name, environment_name=environment)
        if there is not None:
            deployment = apps.own(modal, ref, environment, app)
            with suppress(ProviderError), explaining(modal, ""):  # a log that cannot be had keeps no app alive
                take_in_modal(deployment, log_lines(there, follow=False, tail=None, since=_TAKEN_IN))
            there.stop()
        else:
            check_environment(modal, environment)
        if there is not None or app is None:
            kept = () if discard else tuple(each.name for each in KeptAnswers(modal, name, environment).batches())
            remove(modal, name, environment, secret=False, volume=not kept)
    modal_intake.forget(environment, name)
    app_id = None if there is None else there.app_id
    return Undeployed(
        ref, environment, name, secret_name(name), stopped=there is not None, app_id=app_id, kept_answers=kept
    )


def logs(
    ref: ProviderRef,
    environment: str,
    *,
    app: str | None = None,
    follow: bool,
    tail: int | None,
    since: float | None,
) -> Iterator[str]:
    """Log lines of a ref's app, or of `app`: a name, or the ID of an app that may be stopped.

    They are the last `tail`, those of the last `since` seconds, and with `follow` new ones.
    """
    with connected() as modal:
        if app and is_app_id(app):  # an app that was stopped is found by its ID only
            there = apps.by_id(modal, app, environment)
        else:
            name = apps.find(modal, ref, environment, app).app
            there = modal.App.lookup(name, environment_name=environment)
        yield from log_lines(there, follow=follow, tail=tail, since=since)


def _wanted(found: Found, environment: str, oci: str | None) -> Deployment:
    manifest, image = found.load(), image_to_deploy(found, environment, oci)
    return Deployment(
        ref=found.ref,
        environment=environment,
        app=own_name(found.ref, environment),
        repository=ImageReference.parse(image.reference).name,
        digest=image.digest,
        resources=manifest.resources,
        owner=owner_in(environment),
        pin=manifest.pin(PLATFORM),
    )


def _registry_credentials() -> dict[str, str] | None:
    """REGISTRY_USERNAME and REGISTRY_PASSWORD. Raises UsageError where only one of them is set."""
    names = ("REGISTRY_USERNAME", "REGISTRY_PASSWORD")
    found = {name: os.environ[name] for name in names if os.environ.get(name)}
    if len(found) == 1:
        missing = next(name for name in names if name not in found)
        raise UsageError(f"{next(iter(found))} is set, and {missing} is not", hint=f"set {missing} too")
    return found or None


def _check_owner(before: Deployment | None, wanted: Deployment) -> None:
    """Two branches or users can have the same slug: nobody's app is taken from them."""
    if before is None or (before.ref, before.owner) == (wanted.ref, wanted.owner):
        return
    message = f"the app {before.app} is that of another ref: {before.ref}"
    if before.ref == wanted.ref:
        message = f"the app {before.app} is that of another branch or user of the same name but for its spelling"
    raise UsageError(message, hint=f"export GIT_BRANCH={wanted.owner.branch if wanted.owner else 'branch'}-2")


def _check_registry_secret(modal: Any, name: str, environment: str) -> None:
    """Raise UsageError for `--registry-secret` with a Secret that is not there."""
    secret = name and found(modal, modal.Secret.from_name(name, environment_name=environment).hydrate)
    if not secret:
        hint = f"make a Secret with REGISTRY_USERNAME and REGISTRY_PASSWORD in {environment}, and name it"
        raise UsageError(f"--registry-secret {name!r}: Modal has no such Secret in {environment}", hint=hint)


def _drift(deployment: Deployment, manifests: str | None) -> str | None:
    if deployment.rolled_back:
        return "rollback"
    try:
        manifest = Catalog(manifests).find(deployment.ref).load()
    except TheoryctlError:
        return "manifest"
    return "digest" if other_pin(manifest.pin(PLATFORM), deployment.digest, deployment.pin) else None
