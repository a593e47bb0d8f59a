"""`batch collect`: several at a time, a time that is kept, and errors that are seen."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.batch.rows import BATCH, Files, write_lines
from tests.batch.submitted import ANTHROPIC, batch, lines, vendor
from tests.batch.vendors_batches import Asked, BatchVendor
from tests.conftest import THEORYCTL, Cli
from tests.real.conftest import LITELLM_WARNINGS
from tests.real.server import Conversation
from tests.real.vendor import Vendor
from theoryctl.batch.output import OutputFile
from theoryctl.batch.rows import OurRows
from theoryctl_providers.contract import ProviderError
from theoryctl_providers.litellm.batches.api import Account, Http

__all__ = ["vendor"]

pytestmark = LITELLM_WARNINGS


def another(folder: Path, vendor: BatchVendor, cli: Cli, name: str) -> Path:
    """Submit one line of another file, and return the file."""
    file = write_lines(folder / f"{name}.jsonl", lines(name))
    flags = ("--out", f"rows-{name}.jsonl", "--mode", "real", "--vendor-batch")
    assert cli(*BATCH, file.name, *flags, env=vendor.env).status == 0
    return file


@pytest.mark.parametrize("command", ["collect", "status"])
def test_quiet_keeps_the_errors(
    files: Files, vendor: BatchVendor, cli: Cli, environment: Mapping[str, str], command: str
) -> None:
    batch(files, vendor, lines=lines("a"))
    [record] = Path(environment["HOME"]).rglob("*.vendor")
    record.write_text("{}")
    ran = cli("batch", command, "--quiet", env=vendor.env)
    assert ran.status == 1
    assert ran.err.startswith("error ERR_OUTPUT: "), ran.err


def test_quiet_keeps_the_timeout_of_a_wait(files: Files, vendor: BatchVendor, cli: Cli) -> None:
    batch(files, vendor, lines=lines("a"))
    ran = cli("batch", "collect", "--quiet", "--wait", "1", env=vendor.env)
    assert (ran.status, ran.err.startswith("error ERR_TIMEOUT: ")) == (124, True), ran.err


def test_a_vendor_that_hangs_or_fails_lengthens_no_wait(files: Files, vendor: BatchVendor, cli: Cli) -> None:
    gone = threading.Event()

    def late(_: Asked) -> tuple[int, Any]:
        gone.wait(60)
        return 500, {"error": {"message": "boom"}}

    batch(files, vendor, lines=lines("a"))
    vendor.refuses = late
    begin = time.monotonic()
    ran = cli("batch", "collect", "--wait", "1", "--json", env=vendor.env)
    took = time.monotonic() - begin
    gone.set()
    assert (ran.status, ran.document["error"]["code"], took < 10) == (124, "ERR_TIMEOUT", True), ran.err
    ran = cli("batch", "collect", "--wait", "1", "--json", env=vendor.env)
    assert (ran.status, ran.document["error"]["code"]) == (124, "ERR_TIMEOUT")
    assert "boom" in ran.document["error"]["message"]


def test_a_vendor_that_keeps_its_results_back_is_waited_for_once(
    files: Files, vendor: BatchVendor, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = threading.Event()
    batch(files, vendor, lines=[*lines("a"), *lines("b", model="openai/gpt-4.1-mini")])
    vendor.end()

    def late(asked: Asked) -> None:
        if "/content" in asked.path:
            gone.wait(30)

    vendor.refuses = late
    with monkeypatch.context() as patched:
        patched.setattr("theoryctl_providers.litellm.batches.api._TIMEOUT", 2.0)
        ran = cli("batch", "collect", "--wait", "1m", "--json", env=vendor.env)
    gone.set()
    [found] = ran.document["batches"]
    assert (ran.status, found["error"]["code"]) == (124, "ERR_TIMEOUT"), ran.err
    assert len([each for each in vendor.asked if "/content" in each.path]) == 1
    vendor.refuses = lambda asked: None
    assert cli("batch", "collect", "--json", env=vendor.env).document["batches"][0]["ok"] == 2


@pytest.mark.parametrize(
    ("begins", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\nX-A: ", b"a"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n", b" "),  # the whole body would be no JSON
        (b"HTTP/1.1 500 No\r\ncontent-length: 9999\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;", b"a"),
    ],
    ids=["headers", "body", "error", "head of a chunk"],
)
def test_an_answer_that_comes_in_drops_is_given_up(monkeypatch: pytest.MonkeyPatch, begins: bytes, drop: bytes) -> None:
    monkeypatch.setattr("theoryctl_providers.litellm.batches.api._WHOLE", 0.3)

    def drips(talk: Conversation) -> None:
        with suppress(OSError):
            talk.raw(begins)
            for _ in range(200):
                talk.raw(drop)
                time.sleep(0.05)

    late = pytest.raises(ProviderError, match="did not answer in time")
    with Vendor(drips) as server, closing(Http(Account(f"{server.url}/v1", {}, "openai/m", str))) as http, late:
        http.json("POST", "chat/completions", json={})


def test_the_status_is_that_of_the_wait_where_what_has_ended_is_collected_beside_a_failure(
    files: Files, vendor: BatchVendor, cli: Cli
) -> None:
    batch(files, vendor, lines=[*lines("a"), *lines("b", model=ANTHROPIC)])
    vendor.end()
    vendor.refuses = lambda asked: (500, {}) if "/messages/" in asked.path else None
    ran = cli("batch", "collect", "--wait", "1", "--json", env=vendor.env)
    assert (ran.status, ran.document["batches"][0]["ok"], len(files.rows)) == (124, 1, 1)


def test_lines_are_checked_before_the_wait_and_only_the_others_are_waited_for(
    files: Files, vendor: BatchVendor, cli: Cli, working_folder: Path
) -> None:
    batch(files, vendor, lines=lines("a"))
    files.lines.rename(working_folder / "moved.jsonl")
    vendor.asked.clear()
    ran = cli("batch", "collect", "--wait", "1h", "--json", env=vendor.env)
    assert (ran.status, ran.document["error"]["code"], vendor.asked) == (3, "ERR_INPUTS", [])
    another(working_folder, vendor, cli, "b")
    vendor.end()
    ran = cli("batch", "collect", "--wait", "1h", "--json", env=vendor.env)
    assert (ran.status, [each["ok"] for each in ran.document["batches"]]) == (3, [1])
    assert "not waited for: " in ran.err


@pytest.mark.slow("theoryctl/actions/vendor_*.py theoryctl/batch/output.py")
def test_several_that_wait_for_the_same_batches_all_end_well(
    files: Files, vendor: BatchVendor, environment: Mapping[str, str], working_folder: Path
) -> None:
    batch(files, vendor, lines=lines(*map(str, range(100))))
    command = [str(THEORYCTL), "batch", "collect", "--wait", "60s", "--json"]
    env = {**environment, **vendor.env}
    running = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(3)]
    for process in running:
        assert process.stderr is not None
        assert b"waiting for 1 batch" in process.stderr.readline()
    vendor.end()
    ended = [(process.communicate()[0], process.returncode) for process in running]
    assert [status for _, status in ended] == [0, 0, 0], ended
    assert len(files.rows) == 100
    assert not list(Path(environment["HOME"]).rglob("*.vendor"))


def test_rows_that_another_batch_writes_to_are_collected_once_it_has_ended(
    files: Files, vendor: BatchVendor, cli: Cli
) -> None:
    batch(files, vendor, lines=lines("a"))
    vendor.end()
    other = OutputFile(str(files.out), OurRows())
    ending = threading.Timer(0.5, other.close)
    vendor.refuses = lambda asked: None if ending.ident else ending.start()
    ran = cli("batch", "collect", "--wait", "20s", "--json", env=vendor.env)
    ending.join()
    assert (ran.status, ran.document["batches"][0]["ok"]) == (0, 1), ran.err


def test_rows_that_another_batch_writes_to_until_the_time_is_up_are_a_timeout(
    files: Files, vendor: BatchVendor, cli: Cli
) -> None:
    batch(files, vendor, lines=lines("a"))
    vendor.end()
    with OutputFile(str(files.out), OurRows()):
        ran = cli("batch", "collect", "--wait", "1", "--json", env=vendor.env)
    assert (ran.status, ran.document["error"]["code"]) == (124, "ERR_TIMEOUT")
    assert "another batch is writing to it" in ran.document["error"]["message"]
    assert cli("batch", "collect", "--wait", "10s", "--json", env=vendor.env).document["batches"][0]["ok"] == 1


#: Opens rows that another process removes, as one does that has written none, once they are open and not locked yet.
REMOVED = """
import os, sys
from theoryctl.batch.output import OutputFile
from theoryctl.batch.rows import OurRows
from theoryctl_providers.contract import ProviderError
from theoryctl_providers.litellm.batches.api import Account, Http

def remove(event, _, left=[1]):
    if event == "fcntl.flock" and left:
        left.clear()
        os.unlink("rows.jsonl")

sys.addaudithook(remove)
with OutputFile("rows.jsonl", OurRows()) as file:
    found = os.stat("rows.jsonl")
    assert file.identity == (found.st_dev, found.st_ino)
"""


def test_whoever_has_the_lock_of_rows_has_the_file_at_their_path(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", REMOVED], cwd=tmp_path, check=True)


# -- waiting -----------------------------------------------------------------------------------------------------------


def test_collect_waits_until_the_batches_have_ended(files: Files, vendor: BatchVendor, cli: Cli) -> None:
    looks: list[str] = []

    def end_at_the_third_look(asked: Asked) -> None:
        looks.append(asked.path)
        if len(looks) == 3:
            vendor.end()

    batch(files, vendor, lines=lines("a", "b"))
    vendor.refuses = end_at_the_third_look
    ran = cli("batch", "collect", "--wait", "2h", "--json", env=vendor.env)
    assert (ran.status, [each["ok"] for each in ran.document["batches"]]) == (0, [2]), ran.err
    assert "waiting for 1 batch" in ran.err
    assert len(files.rows) == 2


def test_what_ended_in_time_is_collected_and_the_rest_is_a_timeout(files: Files, vendor: BatchVendor, cli: Cli) -> None:
    batch(files, vendor, lines=[*lines("a", "b"), *lines("c", model=ANTHROPIC)])
    vendor.end(only=vendor.submitted[0])
    ran = cli("batch", "collect", "--wait", "1", "--json", env=vendor.env)
    assert (ran.status, ran.document["error"]["code"], len(files.rows)) == (124, "ERR_TIMEOUT", 2), ran.err
    assert "1 batch did not" in ran.document["error"]["message"]


def test_a_vendor_that_cannot_be_reached_for_a_while_is_asked_again(
    files: Files, vendor: BatchVendor, cli: Cli
) -> None:
    batch(files, vendor, lines=lines("a"))
    vendor.end()
    failures = iter([503, 429])
    vendor.refuses = lambda asked: next(((status, {}) for status in failures), None) if asked.method == "GET" else None
    assert cli("batch", "collect", "--wait", "1m", "--json", env=vendor.env).document["batches"][0]["ok"] == 1


def test_a_vendor_that_refuses_the_key_is_not_waited_for(files: Files, vendor: BatchVendor, cli: Cli) -> None:
    batch(files, vendor, lines=lines("a"))
    ran = cli("batch", "collect", "--wait", "1h", "--json", env={**vendor.env, "OPENAI_API_KEY": "another"})
    assert (ran.status, ran.document["error"]["code"]) == (4, "ERR_AUTH")
    assert "the key in OPENAI_API_KEY" in ran.document["error"]["hint"]


def test_ctrl_c_ends_the_wait_and_loses_nothing(
    files: Files, vendor: BatchVendor, environment: Mapping[str, str], cli: Cli
) -> None:
    batch(files, vendor, lines=lines("a"))
    command = [str(THEORYCTL), "batch", "collect", "--wait", "1h", "--json"]
    env = {**environment, **vendor.env}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert b"waiting for 1 batch" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        try:
            out, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert json.loads(out)["error"]["code"] == "ERR_INTERRUPTED"
    assert process.returncode == 130
    vendor.end()
    assert cli("batch", "collect", "--wait", "1h", "--json", env=vendor.env).document["batches"][0]["ok"] == 1


def test_a_time_that_is_none_is_refused(files: Files, cli: Cli) -> None:
    assert cli("batch", "collect", "--wait", "soon", "--json").status == 2
