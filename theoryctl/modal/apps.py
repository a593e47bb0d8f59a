"""Deployed apps: finding the one of a ref, and listing them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from theoryctl.errors import NotDeployed, UnfitPackage, UsageError
from theoryctl.hints import again, command
from theoryctl.modal.deployment import Deployment, from_tags
from theoryctl.modal.names import SHARED_BY_BRANCHES, Owner, app_ending, app_name, is_app_id, own_name, owner_in
from theoryctl.modal.sdk import check_environment, connected, found
from theoryctl.refs import ProviderRef

#: Look-ups of tags at the same time.
AT_A_TIME = 8
#: The first version of the SDK that finds an app by its ID (`App.lookup`).
FIRST_WITH_IDS = "1.6.4"


def find(modal: Any, ref: ProviderRef, environment: str, app: str | None = None) -> Deployment:
    """The app to read from: `app`, else in `dev` that of the current branch and user, else the only one of the ref.

    Raises NotDeployed (`ERR_FUNCTION_NOT_FOUND`), NoEnvironment (`ERR_MODAL_ENVIRONMENT`), and UsageError where other
    branches have deployed it more than once.
    """
    if app is not None:
        return _named(modal, ref, environment, app)
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


def check_name(app: str | None, environment: str) -> None:
    """Raise UsageError for an app that is named by its ID: its Secret and all else are called after its name."""
    if app is not None and is_app_id(app):
        hint = command("modal status", env=environment)
        raise UsageError(f"--app: expected the name of an app, got the ID {app}", hint=hint)


def by_id(modal: Any, app_id: str, environment: str) -> Any:
    """The SDK's handle of an app, also of one that is stopped. Raises UnfitPackage for an SDK that knows names only."""
    try:
        return modal.App.lookup(app_id, environment_name=environment)
    except modal.exception.InvalidError:  # 1.6.3 checks it as a name, before it asks (modal/app.py)
        fault = f"{modal.__version__} finds no app by its ID"
        raise UnfitPackage("modal", fault, oldest=FIRST_WITH_IDS) from None


def own(modal: Any, ref: ProviderRef, environment: str, app: str | None = None) -> Deployment:
    """The app to change: `app`, else in `dev` that of the current branch and user and no other.

    Raises NotDeployed, NoEnvironment, and UsageError where branch or user are not known.
    """
    if app is not None:
        return _named(modal, ref, environment, app)
    owner = owner_in(environment)
    deployment = lookup(modal, own_name(ref, environment), environment)
    if deployment and (deployment.ref, deployment.owner) == (ref, owner):
        return deployment
    check_environment(modal, environment)
    raise _not_deployed(ref, environment, list(_of_other_branches(modal, ref, environment)))


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
        raise UsageError(f"the app {name} in {environment} exists, and theoryctl did not deploy it", hint=hint)
    return deployment


def deployed(modal: Any, environment: str) -> Iterator[Deployment]:
    """Every app of theoryctl in an environment, sorted by name. Raises NoEnvironment."""
    check_environment(modal, environment)
    apps = modal.Environment.from_name(environment).apps.list()
    yield from _deployments(sorted((app for app in apps if app.name), key=lambda app: str(app.name)), environment)


def _deployments(apps: Iterable[Any], environment: str) -> Iterator[Deployment]:
    """The deployments of apps, whose tags are looked up several at a time."""
    from concurrent.futures import ThreadPoolExecutor
    from functools import partial

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        yield from filter(None, pool.map(partial(_deployment, environment=environment), apps))


def _of_other_branches(modal: Any, ref: ProviderRef, environment: str) -> Iterator[Deployment]:
    if environment != SHARED_BY_BRANCHES:
        return
    apps = modal.Environment.from_name(environment).apps.list()
    likely = [app for app in apps if app.name and app.name.endswith(app_ending(ref))]
    yield from (deployment for deployment in _deployments(likely, environment) if deployment.ref == ref)


def _deployment(app: Any, environment: str) -> Deployment | None:
    deployment = from_tags(environment, app.name, app.get_tags())
    if deployment is None:
        return None
    lifecycle = app.info().lifecycle
    at = lifecycle.deployed_at
    return replace(deployment, app_id=app.app_id, deployed_at=at and at.timestamp(), live=lifecycle.version)


def _named(modal: Any, ref: ProviderRef, environment: str, app: str) -> Deployment:
    """The app of that name. Raises NotDeployed where it is not one of the ref, and UsageError for an ID."""
    check_name(app, environment)
    deployment = lookup(modal, app, environment)
    if deployment and deployment.ref == ref:
        return deployment
    check_environment(modal, environment)
    message = f"--app {app}: expected an app of {ref} that is deployed in the environment {environment}"
    raise NotDeployed(message, hint=command("modal status", env=environment))


def _not_deployed(ref: ProviderRef, environment: str, others: Iterable[Deployment] = ()) -> NotDeployed:
    message = f"{ref} is not deployed on Modal in the environment {environment}"
    if names := ", ".join(sorted(other.app for other in others)):
        message += f" by this branch and user; others have deployed {names}"
    return NotDeployed(message, hint=command("modal start", ref=ref, env=environment))


def _several(ref: ProviderRef, others: list[Deployment]) -> UsageError:
    names = ", ".join(sorted(deployment.app for deployment in others))
    first = min(deployment.app for deployment in others)
    hint = again(f"add --app {first}", app=first)
    return UsageError(f"{ref} is deployed by several branches: {names}", hint=hint)
