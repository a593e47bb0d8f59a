"""Requests that Modal never answers: each command ends soon, and says so."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import modal._functions as modal_functions
import modal._logs_manager as modal_logs
import pytest

from tests.batch.rows import ask, write_lines
from tests.conftest import REF, Cli, Ran
from tests.modal.host.running import Start
from tests.modal.service import Modal
from theoryctl.batch import failures
from theoryctl.modal import calls, deadlines, sdk

SERVE = ("--serve", "--max-containers", "2")
#: A rollback asks what `start` does.
COMMANDS = {
    "start": ("--oci", "registry.test/theoryctl/llm@{digest}", *SERVE),
    "run": ("--mode", "real", "--prompt", "x", "--attach", "a=large.bin"),
    "batch": ("lines.jsonl", "--out", "{digest}.jsonl"),
    "env": (),
    "status": (),
    "logs": (),
    "sync-secrets": (),
    "secrets list": None,
    "stop": (),
}
#: Seconds that a command may take in a test, where one request of it is never answered.
SOON = 15
#: Requests that a command can do without: signs of life, the end of an answer whose items came by another way, and the
#: log that `stop` takes in.
SPARED = {"AppHeartbeat", "FunctionGetOutputs"}
SPARED_BY_STOP = {"AppCountLogs", "AppFetchLogs"}


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """All deadlines, in the proportion that they have to each other."""
    for module, name, seconds in (
        (deadlines, "QUICK_SECONDS", 0.3),
        (deadlines, "SLOW_SECONDS", 0.5),
        (deadlines, "GRACE_SECONDS", 0.5),
        (deadlines, "STILL_SECONDS", 0.3),
        (sdk, "CONNECT_SECONDS", 0.5),
        (calls, "END_SECONDS", 0.3),
        (failures, "_DOWN_ROUNDS", 1),
        (modal_functions, "OUTPUTS_TIMEOUT", 1),
        (modal_functions, "ATTEMPT_TIMEOUT_GRACE_PERIOD", 0.3),
        (modal_logs, "_STREAM_RPC_TIMEOUT_SECONDS", 0.3),
    ):
        monkeypatch.setattr(module, name, seconds)


@pytest.mark.slow(
    "theoryctl/modal/*", "theoryctl/runtimes/modal.py", "theoryctl/actions/modal*", "requirements-dev.lock"
)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_ends_soon_whichever_of_its_requests_is_never_answered(
    name: str, start: Start, cli: Cli, modal: Modal, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    write_lines(tmp_path / "work/lines.jsonl", [ask("x")])
    (tmp_path / "work/large.bin").write_bytes(bytes(range(256)) * 8192)
    _, requests = _ran(name, "", start, cli, modal)
    assert "ClientHello" in requests and len(requests) > 3
    request.getfixturevalue("hurried")
    spared = SPARED | (SPARED_BY_STOP if name == "stop" else set())
    for rpc in requests:
        begin = time.monotonic()
        ran, asked = _ran(name, rpc, start, cli, modal)
        assert time.monotonic() - begin < SOON, rpc
        assert "ERR_MODAL_UNAVAILABLE" in ran.err or rpc in spared or rpc not in asked, (rpc, ran.err)


def _ran(name: str, hung: str, start: Start, cli: Cli, modal: Modal) -> tuple[Ran, list[str]]:
    """Run a command on an app that is deployed, with a request that is never answered, and return what it asked."""
    digest = f"sha256:{hashlib.sha256(hung.encode()).hexdigest()}"
    start(REF, *SERVE)
    modal.hang(hung, clients=True)
    more = [word.format(digest=digest) for word in COMMANDS[name] or ()]
    words = name.split() if COMMANDS[name] is None else [name, "--ref", REF, *more]
    before = len(modal.journal)
    ran = cli("modal", *words, env={"OPENAI_API_KEY": f"sk-canary-{digest[7:]}"})
    modal.hang(hung, times=0)
    return ran, list(dict.fromkeys(entry.method for entry in modal.journal[before:] if not entry.container))
