"""The results of `theoryctl modal` in words."""

from __future__ import annotations

import time
from collections.abc import Iterator

from theoryctl.modal.secret_sync import SecretPlan
from theoryctl.results.modal import Deployed, DeploymentRow, SecretsSynced, Undeployed
from theoryctl.terminal.format import paired, short_digest, time_words

HEADER = ("ref", "app", "environment", "digest", "drift", "deployed")


def lines_of(result: Deployed | Undeployed | SecretsSynced) -> Iterator[str]:
    """A result that is shown as plain lines."""
    match result:
        case Deployed():
            yield from paired(_deployed_pairs(result))
        case Undeployed():
            yield f"stopped {result.deployment.app} ({result.deployment.environment})"
        case SecretsSynced():
            yield from (line for plan in result.plans for line in _plan_lines(plan))
            yield from (f"{ref}  not deployed" for ref in result.skipped)


def cells(row: DeploymentRow) -> tuple[str, ...]:
    """An app's line in the table of `modal status`."""
    deployment = row.deployment
    at = deployment.deployed_at
    return (
        str(deployment.ref),
        deployment.app,
        deployment.environment,
        short_digest(deployment.digest),
        row.drift or "-",
        "-" if at is None else f"{time_words(time.time() - at)} ago",
    )


def _deployed_pairs(result: Deployed) -> list[tuple[str, str]]:
    deployment = result.deployment
    return [
        ("ref", str(deployment.ref)),
        ("app", deployment.app),
        ("environment", deployment.environment),
        ("image", deployment.image),
        ("digest", deployment.digest + (" (the same as before)" if result.same_digest else "")),
        ("dashboard", deployment.dashboard or "-"),
    ]


def _plan_lines(plan: SecretPlan) -> Iterator[str]:
    yield from (f"{plan.secret}  {name}  {change}" for name, change in plan.changes.items())
    if not plan.changes:
        yield f"{plan.secret}  no secrets"
    if plan.anew:
        yield f"{plan.secret}  is made anew: whatever else is in it goes"
    if plan.recycled:
        yield f"{plan.secret}  containers that run end after their requests, and new ones have the new values"
