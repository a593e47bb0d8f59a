"""The ledger and Modal: runs of this machine, and what others asked an app."""

from __future__ import annotations

from collections.abc import Callable

from tests.conftest import REF, Cli, Ran
from tests.ledger.conftest import rows

Start = Callable[..., Ran]
Asked = Callable[..., Ran]


def test_a_run_is_a_row_and_what_another_machine_asked_becomes_one_when_the_app_stops(
    start: Start, cli: Cli, asked: Asked, environment: dict[str, str]
) -> None:
    start()
    other = asked(REF, "y", "--json", env={"THEORYCTL_LEDGER": "off"}).document["run_id"]
    environment["THEORYCTL_LEDGER"] = "mock"
    mine = asked(REF, "x", "--json").document["run_id"]
    assert [row["run_id"] for row in rows(cli)] == [mine]
    assert cli("modal", "stop", "--ref", REF).status == 0
    found = {row["run_id"]: (row["source"], row["runtime"], row["ref"]) for row in rows(cli)}
    assert found == {mine: ("run", "modal", REF), other: ("modal", "modal", REF)}
