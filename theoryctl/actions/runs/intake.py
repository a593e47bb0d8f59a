"""Requests that clients sent to started instances, taken from their logs into the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from theoryctl.instances.instance import Instance
from theoryctl.instances.records import all_instances
from theoryctl.ledger.log_rows import row_of_log
from theoryctl.ledger.recorder import Policy, policy_of, take_in
from theoryctl.ledger.row import Row
from theoryctl.ledger.store import changing, opened
from theoryctl.runtimes.find import started_runtime
from theoryctl.settings import Settings
from theoryctl_providers.contract import ProviderError

if TYPE_CHECKING:
    from theoryctl.ledger.store import Connection
    from theoryctl.modal.deployment import Deployment


def take_in_all(connection: Connection) -> None:
    """Take in the logs of all started instances. A log that cannot be read now is left for the next time."""
    policy = policy_of(Settings())
    for instance in all_instances():
        with suppress(ProviderError):
            lines = started_runtime(instance.runtime).log_lines(instance, follow=False)
            _write(connection, _rows(lines, instance, policy))


def end(instance: Instance) -> bool:
    """Stop an instance, and take in its log; False when it was dead already. Raises what its runtime's `stop` does."""
    return started_runtime(instance.runtime).stop(instance, partial(_take_in, instance))


def take_in_modal(deployment: Deployment, lines: Iterable[str]) -> None:
    """Take in the log of an app on Modal, as far as it can be read and the ledger be written."""
    where = {"source": "modal", "ref": str(deployment.ref), "runtime": "modal", "image": deployment.digest}
    with suppress(ProviderError):
        policy = policy_of(Settings())
        if not policy.off:
            _keep([row for row in told(lines, where) if policy.keeps(row.mode)])


def _take_in(instance: Instance, lines: Iterable[str]) -> None:
    """Take in a log. Neither a log that cannot be read nor a ledger that cannot be written keeps an instance alive."""
    with suppress(ProviderError):
        _keep(_rows(lines, instance, policy_of(Settings())))


def _keep(rows: list[Row]) -> None:
    if rows:
        with opened() as connection:
            _write(connection, rows)


def _write(connection: Connection, rows: list[Row]) -> None:
    if rows:
        with changing(connection):
            take_in(connection, rows)


def _rows(lines: Iterable[str], instance: Instance, policy: Policy) -> list[Row]:
    """The rows of a log; of one in which nothing that is kept can stand, no line is read."""
    may_be_real = instance.mode != "mock" or bool(instance.secrets_present)
    if policy.off or not (policy.mock or may_be_real):
        return []
    where = {"source": "instance", "ref": instance.ref, "runtime": instance.runtime, "image": instance.digest}
    return [row for row in told(lines, where) if policy.keeps(row.mode)]


def told(lines: Iterable[str], where: Mapping[str, str | None]) -> Iterator[Row]:
    """Yield the rows of the requests in lines of a log; `where` are columns that the log does not tell."""
    for line in lines:
        if '"run_id"' in line:  # what a provider prints stands in the log as well
            with suppress(ValueError, RecursionError):
                facts = json.loads(line)
                if isinstance(facts, dict) and (row := row_of_log(facts, **where)):
                    yield row
