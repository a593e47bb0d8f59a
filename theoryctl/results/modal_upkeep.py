"""Results of `theoryctl modal prune` and `theoryctl modal secrets`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from theoryctl.hints import command

if TYPE_CHECKING:
    from theoryctl.modal.leftovers import Leftover
    from theoryctl.modal.secret_list import AppSecret


@dataclass(frozen=True, slots=True)
class SecretsListed:
    """The Secrets that theoryctl made in an environment.

    In JSON `keys` is null: Modal's client has no public way to learn the names in a Secret. `synced` has those that
    `sync-secrets` put there, null where that is not known.
    """

    environment: str
    secrets: tuple[AppSecret, ...]
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        secrets = [_secret(each) for each in self.secrets]
        return {"schema": "theoryctl.modal-secrets/v1", "environment": self.environment, "secrets": secrets}


@dataclass(frozen=True, slots=True)
class Pruned:
    """A user's apps of branches that are gone: a plan, or what was `removed`."""

    environment: str
    user: str
    apps: tuple[Leftover, ...]
    removed: bool
    exit_status: int = 0

    @property
    def command(self) -> str | None:
        """The command that does what is planned; None where nothing is left to do."""
        if self.removed or not self.apps:
            return None
        return str(command("modal prune", env=self.environment, app=tuple(each.app for each in self.apps)))

    def document(self) -> dict[str, Any]:
        facts = {"environment": self.environment, "user": self.user, "removed": self.removed, "command": self.command}
        return {"schema": "theoryctl.modal-prune/v1", **facts, "apps": [_leftover(each) for each in self.apps]}


def _secret(secret: AppSecret) -> dict[str, Any]:
    deployment = secret.deployment
    return {
        "secret": secret.name,
        "app": secret.app,
        "ref": deployment and str(deployment.ref),
        "deployed": deployment is not None,
        "for": "registry" if secret.registry else "provider",
        "keys": None,
        "synced": None if secret.synced is None else list(secret.synced),
        "created_at": secret.created_at,
        "created_by": secret.created_by,
        "last_used": secret.last_used,
    }


def _leftover(leftover: Leftover) -> dict[str, Any]:
    return {
        "app": leftover.app,
        "ref": str(leftover.ref),
        "branch": leftover.branch,
        "deployed": leftover.deployed,
        "endpoint": leftover.endpoint,
        "secrets": list(leftover.secrets),
        "volumes": list(leftover.volumes),
        "answers": list(leftover.answers),
        "created_by": leftover.created_by,
    }
