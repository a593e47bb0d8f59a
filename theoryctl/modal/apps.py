"""Deployed apps: finding the one of a ref, and listing them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from theoryctl.errors import NotDeployed, UsageError
from theoryctl.hints import command
from theoryctl.modal.deployment import Deployment, from_tags
from theoryctl.modal.names import SHARED_BY_BRANCHES, Owner, app_ending, app_name
from theoryctl.modal.sdk import check_environment, connected, found
from theoryctl.refs import ProviderRef


def find(modal: Any, ref: ProviderRef, environment: str) -> Deployment:
    """The app of a ref: in `dev` that of the current branch and user, else the only one there is.

    Raises NotDeployed (`ERR_FUNCTION_NOT_FOUND`), NoEnvironment (`ERR_MODAL_ENVIRONMENT`), and UsageError where other
    branches have deployed it more than once.
    """
    name = app_name(ref, environment, Owner.current())
    own = name and lookup(modal, name, environment)
    if own and own.ref == ref:
        return own
    check_environment(modal, environment)
    others = list(_of_other_branches(modal, ref, environment))
    if not others:
        raise _not_deployed(ref, environment)
    if len(others) > 1:
        raise _several(ref, others)
    return others[0]


def deployed_digest(ref: ProviderRef, environment: str) -> str | None:
    """The digest of the image that is deployed of a ref; None where none is. Raises what `connected` raises."""
    with connected() as modal:
        try:
            return find(modal, ref, environment).digest
        except NotDeployed:
            return None


def lookup(modal: Any, name: str, environment: str) -> Deployment | None:
    """Return the deployment of an app; None where nothing is deployed, or something that is not theoryctl's."""
    app = found(modal, modal.App.lookup, name, environment_name=environment)
    return app and _deployment(app, environment)


def before_start(modal: Any, name: str, environment: str) -> Deployment | None:
    """Return the deployment that a new one would replace; None where nothing is deployed.

    Raises UsageError for an app that is not theoryctl's.
    """
    app = found(modal, modal.App.lookup, name, environment_name=environment)
    if app is None:
        return None
    deployment = _deployment(app, environment)
    if deployment is None and app.info().lifecycle.deployed_at:
        hint = f"modal app stop {name} --env {environment}"
        raise UsageError(f"the app {name} in {environment} is there, and theoryctl did not deploy it", hint=hint)
    return deployment


def deployed(modal: Any, environment: str) -> Iterator[Deployment]:
    """Every app of theoryctl in an environment, sorted by name. Raises NoEnvironment."""
    check_environment(modal, environment)
    for app in sorted(modal.Environment.from_name(environment).apps.list(), key=lambda app: str(app.name)):
        deployment = app.name and _deployment(app, environment)
        if deployment:
            yield deployment


def _of_other_branches(modal: Any, ref: ProviderRef, environment: str) -> Iterator[Deployment]:
    if environment != SHARED_BY_BRANCHES:
        return
    for app in modal.Environment.from_name(environment).apps.list():
        if app.name and app.name.endswith(app_ending(ref)):
            deployment = _deployment(app, environment)
            if deployment and deployment.ref == ref:
                yield deployment


def _deployment(app: Any, environment: str) -> Deployment | None:
    deployment = from_tags(environment, app.name, app.get_tags())
    if deployment is None:
        return None
    at = app.info().lifecycle.deployed_at
    return replace(deployment, app_id=app.app_id, deployed_at=at and at.timestamp())


def _not_deployed(ref: ProviderRef, environment: str) -> NotDeployed:
    hint = command("modal start", ref=ref, env=environment)
    return NotDeployed(f"{ref} is not deployed on Modal in the environment {environment}", hint=hint)


def _several(ref: ProviderRef, others: list[Deployment]) -> UsageError:
    names = ", ".join(sorted(deployment.app for deployment in others))
    owner = others[0].owner
    assert owner is not None
    hint = f"export GIT_BRANCH={owner.branch} GIT_USER={owner.user}"
    return UsageError(f"{ref} is deployed by several branches: {names}", hint=hint)
