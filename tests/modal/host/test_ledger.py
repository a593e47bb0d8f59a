"""The ledger and Modal: runs of this machine, and what others asked an app."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from grpclib import Status

from tests.conftest import REF, Cli, Ran
from tests.ledger.conftest import rows
from tests.modal.host.batches import BATCH
from tests.modal.host.conftest import APP
from tests.modal.service import Modal
from theoryctl.actions.runs import modal_intake

Start = Callable[..., Ran]
Asked = Callable[..., Ran]


@pytest.fixture
def other(asked: Asked, environment: dict[str, str]) -> str:
    """The id of a run that another machine asked of the app, which this machine has deployed and keeps mocks of."""
    run_id: str = asked(REF, "y", "--json", env={"THEORYCTL_LEDGER": "off"}).document["run_id"]
    return run_id


@pytest.fixture(autouse=True)
def _keeping_mocks(environment: dict[str, str], start: Start) -> None:
    environment["THEORYCTL_LEDGER"] = "mock,local"
    start()


def test_a_run_is_a_row_and_what_another_machine_asked_becomes_one_when_the_app_stops(
    cli: Cli, asked: Asked, other: str
) -> None:
    mine = asked(REF, "x", "--json").document["run_id"]
    assert [row["run_id"] for row in rows(cli)] == [mine]
    assert cli("modal", "stop", "--ref", REF).status == 0
    found = {row["run_id"]: (row["source"], row["runtime"], row["ref"]) for row in rows(cli)}
    assert found == {mine: ("run", "modal", REF), other: ("modal", "modal", REF)}


def test_what_another_machine_asked_is_a_row_of_runs_once_however_often_the_log_is_read(
    cli: Cli, asked: Asked, other: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = asked(REF, "x", "--json").document["run_id"]
    environment["THEORYCTL_LEDGER"] = "mock"
    monkeypatch.setattr(modal_intake, "EVERY", 0.0)
    for _ in range(2):
        found = {row["run_id"]: (row["source"], row["operation"]) for row in rows(cli)}
        assert found == {mine: ("run", "chat"), other: ("modal", "chat")}


def test_embeddings_that_a_batch_of_another_machine_asked_are_embeddings_here(
    cli: Cli, working_folder: Path, environment: dict[str, str]
) -> None:
    body = {"model": "openai/text-embedding-3-small", "input": "x"}
    line = {"custom_id": "1", "method": "POST", "url": "/v1/embeddings", "body": body}
    (working_folder / "lines.jsonl").write_text(json.dumps(line))
    assert cli("modal", *BATCH, "--ref", REF, env={"THEORYCTL_LEDGER": "off"}).document["ok"] == 1
    assert cli("modal", "stop", "--ref", REF).status == 0
    assert [(row["source"], row["operation"]) for row in rows(cli)] == [("modal", "embeddings")]


def test_a_log_is_looked_at_every_now_and_then_only(
    cli: Cli, other: str, modal: Modal, environment: dict[str, str]
) -> None:
    environment["THEORYCTL_LEDGER"] = "mock"
    for _ in range(2):
        assert [row["run_id"] for row in rows(cli)] == [other]
    assert len(modal.requests("AppFetchLogs")) == 1


def test_runs_do_without_a_modal_that_refuses(
    cli: Cli, asked: Asked, modal: Modal, environment: dict[str, str]
) -> None:
    mine = asked(REF, "x", "--json").document["run_id"]
    environment["THEORYCTL_LEDGER"] = "mock"
    modal.refuse("AppCountLogs", Status.PERMISSION_DENIED)
    ran = cli("runs", "list", "--json")
    assert (ran.status, [row["run_id"] for row in ran.document["runs"]]) == (0, [mine])
    assert f"the log of {APP} on Modal was not read" in ran.err


def test_runs_do_without_a_modal_that_hangs(theoryctl: Cli, modal: Modal, environment: dict[str, str]) -> None:
    environment["THEORYCTL_LEDGER"] = "mock"
    modal.hang("AppCountLogs")
    began = time.monotonic()
    ran = theoryctl("runs", "list", "--json")
    assert time.monotonic() - began < modal_intake.PATIENCE + 6
    assert (ran.status, ran.document["runs"]) == (0, [])
    assert f"the log of {APP} on Modal did not come" in ran.err


@pytest.mark.slow("theoryctl/modal/sdk.py", "theoryctl/actions/runs/modal_intake.py")
def test_a_client_of_modal_that_loads_slowly_swallows_no_result(
    theoryctl: Cli, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "modal.py").write_text(f"import time\ntime.sleep({modal_intake.PATIENCE + 2})\n__version__ = '1.6.3'\n")
    environment |= {"THEORYCTL_LEDGER": "mock", "PYTHONPATH": str(tmp_path)}
    ran = theoryctl("runs", "list", "--json")
    assert (ran.status, ran.document["runs"]) == (0, []), ran.err


def test_runs_do_without_a_token_for_modal(cli: Cli, environment: dict[str, str]) -> None:
    environment |= {"THEORYCTL_LEDGER": "mock", "MODAL_TOKEN_ID": ""}
    ran = cli("runs", "list", "--json")
    assert (ran.status, "was not read: there is no token for Modal" in ran.err) == (0, True), ran.err


def test_an_app_that_is_gone_is_asked_for_no_more(
    cli: Cli, modal: Modal, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("modal", "stop", "--ref", REF, env={"THEORYCTL_STATE_DIR": environment["HOME"] + "/other"}).status == 0
    environment["THEORYCTL_LEDGER"] = "mock"
    monkeypatch.setattr(modal_intake, "EVERY", 0.0)
    for _ in range(2):
        ran = cli("runs", "list", "--json")
        assert (ran.status, ran.document["runs"], ran.err) == (0, [], "")
    assert len([entry for entry in modal.journal if entry.method == "AppGetByDeploymentName"]) <= 4
