"""Apps of branches that are gone, with their Secrets and Volumes, also where only these are left."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from theoryctl.modal import apps
from theoryctl.modal.answers import KeptAnswers
from theoryctl.modal.deployment import Deployment
from theoryctl.modal.names import app_ending, calls_name, registry_secret_name, secret_name, slug, volume_name
from theoryctl.modal.secret_list import AppSecret, app_secrets
from theoryctl.refs import ProviderRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """An app of a branch that is gone, deployed or not, and what of it is there: names of Secrets and Volumes, and of
    detached batches in these whose answers nobody has collected.

    `endpoint` is the address at which it serves; None where it does not. `created_by` is Modal's name of the user who
    made its Secret.
    """

    app: str
    ref: ProviderRef
    branch: str
    deployed: bool
    endpoint: str | None
    secrets: tuple[str, ...]
    volumes: tuple[str, ...]
    answers: tuple[str, ...]
    created_by: str | None


@dataclass(frozen=True, slots=True)
class Owned:
    """The app that a name stands for: its ref, and the slug of its branch."""

    ref: ProviderRef
    branch: str


def leftovers(
    modal: Any, environment: str, user: str, branches: Collection[str], refs: Collection[ProviderRef]
) -> list[Leftover]:
    """Find what a user (a slug) left on Modal of branches that are none of `branches`, sorted by app.

    The app of a Secret or Volume whose app is gone is told from its name, with `refs` and those that are deployed; a
    name that could be that of another user's app as well is left out, and so is one that was too long to keep whole.
    """
    deployments = list(apps.deployed(modal, environment))
    secrets = app_secrets(modal, environment, deployments)
    volumes = {volume.name for volume in modal.Volume.objects.list(environment_name=environment)}
    owned = {
        each.app: Owned(each.ref, each.owner.branch) for each in deployments if each.owner and each.owner.user == user
    }
    there = {each.app: each for each in deployments}
    loose = {each.app for each in secrets} | {str(name).removesuffix("-attachments") for name in volumes}
    reader = _Reader(user, _others(deployments, user), [*refs, *(each.ref for each in deployments)])
    owned |= {name: read for name in loose - there.keys() if (read := reader.read(name))}
    live = {slug(branch) for branch in branches}
    gone = {name: app for name, app in owned.items() if app.branch not in live}
    found = (_leftover(name, gone[name], there.get(name), secrets, volumes) for name in sorted(gone))
    return [replace(each, answers=_answers(modal, each.app, environment)) if each.volumes else each for each in found]


def remove(modal: Any, app: str, environment: str, *, secret: bool, volume: bool = True) -> None:
    """Remove what an app leaves behind: its Dict, the credentials for its registry, with `volume` its Volume, and with
    `secret` its Secret. What is not there is no error."""
    gone: dict[str, Any] = {"allow_missing": True, "environment_name": environment}
    if volume:
        modal.Volume.objects.delete(volume_name(app), **gone)
    modal.Dict.objects.delete(calls_name(app), **gone)
    modal.Secret.objects.delete(registry_secret_name(app), **gone)
    if secret:
        modal.Secret.objects.delete(secret_name(app), **gone)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the names of a user's apps, as `names.app_name` writes them: branch, user, ref."""

    user: str
    others: Sequence[str]
    refs: Sequence[ProviderRef]

    def read(self, name: str) -> Owned | None:
        return next(self._readings(name), None)

    def _readings(self, name: str) -> Iterator[Owned]:
        mine = f"-{self.user}"
        for ref in self.refs:
            head = name.removesuffix(app_ending(ref))
            if head != name and head.endswith(mine) and not any(head.endswith(f"-{other}") for other in self.others):
                yield Owned(ref, head.removesuffix(mine))


def _others(deployments: Iterable[Deployment], user: str) -> list[str]:
    """Find the other users whose slug ends as this one's, and so the names of their apps."""
    users = {each.owner.user for each in deployments if each.owner}
    return sorted(other for other in users if other.endswith(f"-{user}"))


def _answers(modal: Any, app: str, environment: str) -> tuple[str, ...]:
    return tuple(batch.name for batch in KeptAnswers(modal, app, environment).batches())


def _leftover(
    name: str, app: Owned, deployment: Deployment | None, secrets: Iterable[AppSecret], volumes: Collection[str]
) -> Leftover:
    endpoint = deployment.endpoint if deployment is not None else None
    own = [each for each in secrets if each.app == name]
    return Leftover(
        app=name,
        ref=app.ref,
        branch=app.branch,
        deployed=deployment is not None,
        endpoint=None if endpoint is None else endpoint.url,
        secrets=tuple(each.name for each in own),
        volumes=tuple(volume for volume in (volume_name(name),) if volume in volumes),
        answers=(),
        created_by=next((each.created_by for each in own), None),
    )
