"""Results of the commands of `theoryctl modal`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from theoryctl.hints import Hint, command
from theoryctl.modal.secret_sync import SecretPlan
from theoryctl.results.instances import EnvShown
from theoryctl_providers.contract import ERRORS

if TYPE_CHECKING:
    from theoryctl.modal.deployment import Deployment
    from theoryctl.refs import ProviderRef


@dataclass(frozen=True, slots=True)
class Deployed:
    """An app that is deployed now; `same_digest` says that what was there before had the same image."""

    deployment: Deployment
    same_digest: bool
    exit_status: int = 0

    @property
    def env(self) -> str:
        """The command that leads clients to its endpoint."""
        return str(command("modal env", ref=self.deployment.ref, env=self.deployment.environment))

    def document(self) -> dict[str, Any]:
        facts = deployment_facts(self.deployment)
        return {"schema": "theoryctl.deployment/v1", **facts, "same_digest": self.same_digest}


@dataclass(frozen=True, slots=True)
class RolledBack:
    """An app that has the image again that it had before `replaced`; `pinned` is the digest in its ref's manifest."""

    deployment: Deployment
    replaced: str
    pinned: str | None
    exit_status: int = 0

    @property
    def drift(self) -> str | None:
        """`digest` where the manifest pins another image than the one that runs now."""
        return None if self.pinned in (None, self.deployment.digest) else "digest"

    @property
    def again(self) -> str:
        """The command that deploys what the manifest pins."""
        return str(self.deployment.start_again())

    @property
    def keep(self) -> str:
        """The command that pins what runs now."""
        return str(command("image pin", ref=self.deployment.ref, oci=self.deployment.image))

    def document(self) -> dict[str, Any]:
        said = {"replaced": self.replaced, "pinned": self.pinned, "drift": self.drift}
        return {"schema": "theoryctl.rollback/v1", **deployment_facts(self.deployment), **said}


@dataclass(frozen=True, slots=True)
class DeploymentRow:
    """One line of `modal status`.

    `drift` is `digest` where the manifest pins another one by now, `manifest` where there is none to compare with, and
    `rollback` where another deployment is live than the last one.
    """

    deployment: Deployment
    drift: str | None


@dataclass(frozen=True, slots=True)
class DeploymentsShown:
    """The deployed apps of an environment, of one ref or of all."""

    environment: str
    rows: tuple[DeploymentRow, ...]
    ref: str | None
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        rows = [{**deployment_facts(row.deployment), "drift": row.drift} for row in self.rows]
        return {"schema": "theoryctl.deployments/v1", "environment": self.environment, "deployments": rows}


@dataclass(frozen=True, slots=True)
class Undeployed:
    """An app that is stopped, by this command or before; its Secret is kept for the next start.

    `kept_answers` are the detached batches whose answers stay until they are collected.
    """

    ref: ProviderRef
    environment: str
    app: str
    secret: str
    stopped: bool
    app_id: str | None
    kept_answers: tuple[str, ...] = ()
    exit_status: int = 0

    @property
    def log(self) -> Hint:
        """The command that still shows the log of what was stopped."""
        return command("modal logs", ref=self.ref, env=self.environment, app=self.app_id)

    @property
    def collect(self) -> Hint:
        """The command that takes the kept answers."""
        where = {"ref": self.ref, "env": self.environment, "app": self.app}
        return command("modal batch collect", self.kept_answers[0], out="rows.jsonl", **where)

    @property
    def discard(self) -> Hint:
        """The command that deletes the kept answers."""
        return command("modal stop", ref=self.ref, env=self.environment, app=self.app, discard=True)

    def document(self) -> dict[str, Any]:
        facts = {"ref": str(self.ref), "app": self.app, "environment": self.environment}
        done = {"stopped": self.stopped, "app_id": self.app_id, "kept_secret": self.secret}
        return {"schema": "theoryctl.undeployed/v1", **facts, **done, "kept_answers": list(self.kept_answers)}


@dataclass(frozen=True, slots=True)
class EndpointEnv:
    """Variables that lead programs to the endpoint of an app; with `proxy_auth` its proxy wants headers as well."""

    shown: EnvShown
    proxy_auth: bool
    exit_status: int = 0

    @property
    def headers(self) -> tuple[str, ...]:
        """The headers that each request needs beside its token (modal.com/docs/guide/webhook-proxy-auth)."""
        return ("Modal-Key", "Modal-Secret") if self.proxy_auth else ()

    def document(self) -> dict[str, Any]:
        return {**self.shown.document(), "headers": list(self.headers)}


@dataclass(frozen=True, slots=True)
class SecretsSynced:
    """The changes made, or with --check planned; not `complete` if a required secret is missing."""

    environment: str
    plans: tuple[SecretPlan, ...]
    skipped: tuple[str, ...]
    checked: bool
    complete: bool

    @property
    def exit_status(self) -> int:
        return 0 if self.complete else ERRORS["ERR_MISSING_SECRET"].exit_status

    def document(self) -> dict[str, Any]:
        plans = [plan.document() for plan in self.plans]
        facts = {"environment": self.environment, "check": self.checked, "not_deployed": list(self.skipped)}
        return {"schema": "theoryctl.secrets-sync/v1", **facts, "apps": plans}


def deployment_facts(deployment: Deployment) -> dict[str, Any]:
    """The facts of a deployed app, as JSON."""
    owner, endpoint = deployment.owner, deployment.endpoint
    return {
        "ref": str(deployment.ref),
        "app": deployment.app,
        "environment": deployment.environment,
        "branch": owner and owner.branch,
        "user": owner and owner.user,
        "image": deployment.image,
        "digest": deployment.digest,
        "pin": deployment.pin,
        "timeout": deployment.timeout,
        "resources": asdict(deployment.resources),
        "endpoint": endpoint and {"url": endpoint.url, "mode": endpoint.mode, "proxy_auth": endpoint.proxy_auth},
        "app_id": deployment.app_id,
        "deployed_at": deployment.deployed_at,
        "dashboard": deployment.dashboard,
    }
