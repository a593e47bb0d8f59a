"""Views of the results of `theoryctl modal`."""

from __future__ import annotations

import time
from collections.abc import Iterator

from theoryctl.modal.secret_sync import SecretPlan
from theoryctl.results.modal import (
    Deployed,
    DeploymentRow,
    DeploymentsShown,
    EndpointEnv,
    RolledBack,
    SecretsSynced,
    Undeployed,
)
from theoryctl.terminal.format import containers, paired, short_digest, time_words
from theoryctl.terminal.view import Lines, Table, Views
from theoryctl.terminal.views.instances import env_lines

HEADER = ("ref", "app", "environment", "digest", "drift", "deployed", "containers", "endpoint")


def _deployed(result: Deployed) -> Lines:
    deployment = result.deployment
    pairs = [
        ("ref", str(deployment.ref)),
        ("app", deployment.app),
        ("environment", deployment.environment),
        ("image", deployment.image),
        ("digest", deployment.digest + (" (the same as before)" if result.same_digest else "")),
        ("dashboard", deployment.dashboard or "-"),
    ]
    if deployment.endpoint is None:
        return Lines(paired(pairs))
    pairs.append(("endpoint", deployment.endpoint.url or "-"))
    return Lines(paired(pairs), notes=(f'to lead clients there: eval "$({result.env})"',))


def _rolled_back(result: RolledBack) -> Lines:
    deployment = result.deployment
    pairs = [("app", deployment.app), ("environment", deployment.environment), ("image", deployment.image)]
    pairs += [("instead of", result.replaced), ("drift", result.drift or "-")]
    pinned = short_digest(result.pinned)
    notes = (f"the manifest pins {pinned}, which deploys again: {result.again}", f"to pin this one: {result.keep}")
    return Lines(paired(pairs), notes=notes if result.drift else ())


def _status(result: DeploymentsShown) -> Table:
    nothing = f"{result.ref or 'nothing'} is {'not ' if result.ref else ''}deployed in {result.environment}"
    return Table(HEADER, [_cells(row) for row in result.rows], nothing)


def _cells(row: DeploymentRow) -> tuple[str, ...]:
    deployment = row.deployment
    at = deployment.deployed_at
    return (
        str(deployment.ref),
        deployment.app,
        deployment.environment,
        short_digest(deployment.digest),
        row.drift or "-",
        "-" if at is None else f"{time_words(time.time() - at)} ago",
        containers(deployment.resources),
        (deployment.endpoint and deployment.endpoint.url) or "-",
    )


def _env(result: EndpointEnv) -> Lines:
    shown = env_lines(result.shown)
    if not result.headers:
        return shown
    note = f"Modal wants the headers {' and '.join(result.headers)} of a proxy token with each request"
    return Lines(shown.lines, notes=(*shown.notes, note))


def _undeployed(result: Undeployed) -> Lines:
    app = f"{result.app} ({result.environment})"
    line = f"stopped {app}" if result.stopped else f"{app} is not deployed"
    notes = [f"to see its log: {result.log}"] if result.stopped else []
    if result.kept_answers:
        notes += [f"answers of detached batches are kept: {', '.join(result.kept_answers)}"]
        notes += [f"to write their rows: {result.collect}", f"to delete them: {result.discard}"]
    return Lines([line], notes=tuple(notes))


def _synced(result: SecretsSynced) -> Lines:
    planned = [line for plan in result.plans for line in _plan_lines(plan)]
    return Lines([*planned, *(f"{ref}  not deployed" for ref in result.skipped)])


def _plan_lines(plan: SecretPlan) -> Iterator[str]:
    yield from (f"{plan.secret}  {name}  {change}" for name, change in plan.changes.items())
    if not plan.changes:
        yield f"{plan.secret}  no secrets"
    if plan.anew:
        yield f"{plan.secret}  is made anew: whatever else is in it goes"
    if plan.recycled:
        yield f"{plan.secret}  containers that run end after their requests, and new ones have the new values"


VIEWS: Views = {
    Deployed: _deployed,
    RolledBack: _rolled_back,
    DeploymentsShown: _status,
    Undeployed: _undeployed,
    EndpointEnv: _env,
    SecretsSynced: _synced,
}
