"""Requests that clients sent to started instances, taken from their logs into the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from theoryctl.instances.records import Instance
from theoryctl.ledger.policy import Policy, policy_of
from theoryctl.ledger.row import Row, row_of_log
from theoryctl.ledger.store import changing, opened
from theoryctl.ledger.writer import take_in
from theoryctl.runtimes.find import recorded, started_runtime
from theoryctl.settings import Settings
from theoryctl_providers.contract import ProviderError

if TYPE_CHECKING:
    from theoryctl.ledger.store import Connection


def take_in_all(connection: Connection) -> None:
    """Take in the logs of all started instances. A log that cannot be read now is left for the next time."""
    policy = policy_of(Settings())
    for instance in recorded():
        if isinstance(instance, Instance) and may_hold(instance, policy):
            with suppress(ProviderError):
                lines = list(started_runtime(instance.runtime).log_lines(instance, follow=False))
                _write(connection, lines, instance, policy)


def take_in_lines(instance: Instance, lines: Iterable[str]) -> None:
    """Take in lines of one instance's log, where the policy wants them. A ledger that fails stops nobody."""
    with suppress(ProviderError):
        policy = policy_of(Settings())
        if may_hold(instance, policy):
            with opened() as connection:
                _write(connection, list(lines), instance, policy)


def may_hold(instance: Instance, policy: Policy) -> bool:
    """Return whether the log of an instance can tell of runs that are kept."""
    return not policy.off and (policy.mock or instance.mode != "mock" or bool(instance.secrets_present))


def _write(connection: Connection, lines: list[str], instance: Instance, policy: Policy) -> None:
    rows = [row for row in _rows(lines, instance) if policy.keeps(row.mode)]
    if rows:
        with changing(connection):
            take_in(connection, rows)


def _rows(lines: Iterable[str], instance: Instance) -> Iterator[Row]:
    where = {"ref": instance.ref, "runtime": instance.runtime, "image": instance.digest}
    for line in lines:
        if '"run_id"' in line:  # what a provider prints stands in the log as well
            with suppress(ValueError, RecursionError):
                facts = json.loads(line)
                if isinstance(facts, dict) and (row := row_of_log(facts, **where)):
                    yield row
