"""The work behind `theoryctl modal prune` and `theoryctl modal secrets`: what lies on Modal besides the apps in use."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from theoryctl.errors import UsageError
from theoryctl.hints import command
from theoryctl.manifests.catalog import Catalog
from theoryctl.modal import apps, git
from theoryctl.modal.leftovers import Leftover, leftovers, remove
from theoryctl.modal.names import SHARED_BY_BRANCHES, current_user
from theoryctl.modal.sdk import connected, found
from theoryctl.modal.secret_list import app_secrets
from theoryctl.progress import Progress
from theoryctl.results.modal_upkeep import Pruned, SecretsListed


def list_secrets(environment: str) -> SecretsListed:
    """Find the Secrets that theoryctl made in an environment, of apps that are stopped as well."""
    with connected() as modal:
        there = app_secrets(modal, environment, apps.deployed(modal, environment))
    return SecretsListed(environment, tuple(there))


def prune(environment: str, names: Sequence[str], manifests: str | None, progress: Progress) -> Pruned:
    """Plan the removal of one's own apps of branches that are gone, or remove those of them that are named.

    A branch is gone where neither the repository nor any of its remotes has it; GIT_BRANCH is there. Raises UsageError
    where that cannot be known, for another environment than `dev`, and before anything is removed for a name that the
    plan does not have.
    """
    if environment != SHARED_BY_BRANCHES:
        message = (
            f"expected the environment {SHARED_BY_BRANCHES}, where branches have apps of their own, got {environment}"
        )
        raise UsageError(message, hint=command("modal prune", env=SHARED_BY_BRANCHES))
    user = current_user()
    branches = git.branches() | {os.environ.get("GIT_BRANCH", "")}
    refs = [each.ref for each in Catalog(manifests).all()]
    with connected() as modal:
        plan = leftovers(modal, environment, user, branches, refs)
        chosen = _chosen(plan, names, user)
        for each in chosen:
            progress.step(f"removing {each.app}")
            _remove(modal, each, environment)
    return Pruned(environment, user, tuple(chosen if names else plan), removed=bool(names))


def _chosen(plan: Sequence[Leftover], names: Sequence[str], user: str) -> list[Leftover]:
    there = {each.app: each for each in plan}
    for name in names:
        if name not in there:
            message = f"--app {name}: expected an app of {user} whose branch is gone"
            raise UsageError(message, hint=command("modal prune", env=SHARED_BY_BRANCHES, app=None))
    return [there[name] for name in dict.fromkeys(names)]


def _remove(modal: Any, leftover: Leftover, environment: str) -> None:
    app = found(modal, modal.App.lookup, leftover.app, environment_name=environment) if leftover.deployed else None
    if app is not None:
        app.stop()
    remove(modal, leftover.app, environment, secret=True)
