"""`theoryctl modal run` when containers, connections or providers break."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from grpclib import Status
from modal.types import LogEntry

from tests.conftest import REF, Cli
from tests.docker.conftest import error
from tests.modal.host.conftest import IMAGE
from tests.modal.host.images import image_with
from tests.modal.host.running import Acme, Asked, Start, running
from tests.modal.sdk import Calling, Remote
from tests.modal.service import Modal
from tests.waiting import until
from theoryctl.errors import ModalRefused
from theoryctl.modal import calls, theoryctl_shim
from theoryctl.modal.sdk import connected
from theoryctl.modal.starting import Starts, failed_start


def _interrupt_without_cancel(modal: Modal, process: subprocess.Popen[bytes]) -> None:
    modal.refuse("FunctionCallCancel", Status.UNIMPLEMENTED)
    process.send_signal(signal.SIGINT)


Break = Callable[[Modal, subprocess.Popen[bytes]], None]

BREAKS: dict[str, tuple[Break, int, str]] = {
    "Ctrl-C": (lambda _, process: process.send_signal(signal.SIGINT), 130, "ERR_INTERRUPTED"),
    "Ctrl-C, and Modal ends no call": (_interrupt_without_cancel, 130, "ERR_INTERRUPTED"),
    "the network gone": (lambda modal, _: modal.go_away(), 5, "ERR_MODAL_UNAVAILABLE"),
    "the container killed": (lambda modal, _: modal.kill_container(), 5, "ERR_MODAL_UNAVAILABLE"),
    "the container preempted": (lambda modal, _: modal.preempt_container(), 5, "ERR_MODAL_UNAVAILABLE"),
    "the container preempted, and the call with it": (
        lambda modal, _: modal.preempt_container(restarts=False),
        5,
        "ERR_MODAL_UNAVAILABLE",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_what_breaks_off_in_the_middle_is_an_error_with_an_exit_status(
    name: str, acme: Acme, start: Start, modal: Modal, environment: dict[str, str], tmp_path: Path
) -> None:
    what, status, code = BREAKS[name]
    ref = acme("Slow")
    start(ref)
    with running(environment, tmp_path / "work", "run", "--ref", ref, "--prompt", "x", "--stream") as process:
        assert process.stdout is not None
        process.stdout.read(4)
        begin = time.monotonic()
        what(modal, process)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, code in err.decode()) == (status, True), err.decode()
    assert b"Traceback" not in err and b"99" not in out
    assert time.monotonic() - begin < 30
    until(lambda: not any(container.inputs for container in modal.containers()))
    assert ("part 99" in modal.logs) == (name == "the network gone"), "the call goes on, and nobody listens"


IMPATIENT = """
import sys
from theoryctl.modal import calls
calls.SIGN_SECONDS, calls.VANISHED_SECONDS = 0.5, 4
from theoryctl.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow("theoryctl/modal/calls.py", "theoryctl/modal/theoryctl_shim.py")
def test_a_caller_that_vanishes_ends_the_call_and_one_that_listens_does_not(
    acme: Acme, start: Start, modal: Modal, environment: dict[str, str], tmp_path: Path
) -> None:
    ref = acme("Slow")
    start(ref)
    line = [sys.executable, "-c", IMPATIENT, "modal", "run", "--ref", ref, "--prompt", "999", "--stream"]
    with subprocess.Popen(line, env=environment, cwd=tmp_path / "work", stdout=subprocess.PIPE) as caller:
        assert caller.stdout is not None
        shown = b""
        while b" 85 " not in shown:  # after six seconds
            shown += os.read(caller.stdout.fileno(), 1 << 16)
            assert caller.poll() is None
        caller.kill()
    until(lambda: not any(container.inputs for container in modal.containers()))
    assert "part 998" not in modal.logs


def test_a_provider_that_fails_is_an_error_of_its_own(acme: Acme, start: Start, asked: Asked) -> None:
    ref = acme("Raise")
    start(ref)
    ran = asked(ref, "x", "--json")
    assert error(ran) == (1, "ERR_PROVIDER")
    assert "a bug of the provider's" in ran.document["error"]["message"]


WHOLE = "".join(f"{number} " for number in range(20))

CRASHES = {
    "once, before a part was shown": ("0 1", (0, None), WHOLE),
    "once, after a part was shown": ("3 1", (5, "ERR_MODAL_UNAVAILABLE"), "0 1 2 "),
    "each time, before a part was shown": ("0 9", (1, "ERR_PROVIDER"), ""),
    "each time, after a part was shown": ("3 9", (1, "ERR_PROVIDER"), "0 1 2 "),
}


@pytest.mark.parametrize("crash", CRASHES)
def test_a_request_whose_container_is_lost_runs_once_more_and_two_answers_are_never_mixed(
    crash: str, acme: Acme, start: Start, asked: Asked, tmp_path: Path
) -> None:
    what, (status, code), shown = CRASHES[crash]
    begun = tmp_path / "begun"
    ref = acme("Crash")
    start(ref)
    ran = asked(ref, f"{what} {begun}", "--stream")
    assert (ran.status, code is None or code in ran.err) == (status, True), ran.err
    assert ran.out.strip() == shown.strip()
    assert begun.read_text() == "xx"


@pytest.mark.parametrize("crash", [name for name in CRASHES if name.startswith("once")])
def test_two_answers_are_not_mixed_where_the_items_of_a_later_attempt_are_numbered_on(
    crash: str, acme: Acme, start: Start, asked: Asked, modal: Modal, tmp_path: Path
) -> None:
    what, _, shown = CRASHES[crash]
    modal.number_on()
    ref = acme("Crash")
    start(ref)
    ran = asked(ref, f"{what} {tmp_path / 'begun'}", "--stream")
    # The client may end before the last items, for it counts those of both attempts.
    assert ran.status == 0 or "ERR_MODAL_UNAVAILABLE" in ran.err
    assert shown.startswith(ran.out.strip()) and (ran.status == 0) <= (ran.out.strip() == WHOLE.strip()), ran.out


def test_a_request_that_is_interrupted_while_its_container_starts_is_never_run(
    acme: Acme, start: Start, modal: Modal, environment: dict[str, str], tmp_path: Path
) -> None:
    ref, begun = acme("Crash"), tmp_path / "begun"
    start(ref)
    modal.hold_containers()
    with running(environment, tmp_path / "work", "run", "--ref", ref, "--prompt", f"99 0 {begun}") as process:
        until(lambda: modal.requests("FunctionMap"))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, b"ERR_INTERRUPTED" in err) == (130, True), err.decode()
    modal.release_containers()
    until(lambda: modal.requests("FunctionPutOutputs"))
    assert not begun.exists()


def test_a_container_that_cannot_start_is_told_with_the_last_lines_of_its_log(
    start: Start, cli: Cli, modal: Modal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(calls, "LOOK_SECONDS", 0.3)
    broken = tmp_path / "python"
    broken.write_text(
        "#!/bin/sh\necho 'Traceback (most recent call last)'\necho 'ImportError: no such library'\nexit 1\n"
    )
    broken.chmod(0o755)
    modal.image_python = str(broken)
    start()
    ran = cli("modal", "run", "--ref", REF, "--json")
    assert error(ran) == (1, "ERR_PROVIDER")
    assert "cannot start" in ran.document["error"]["message"]
    assert "ImportError: no such library" in ran.document["error"]["message"]
    assert "modal logs" in ran.document["error"]["hint"]


SILENT_STARTS = {
    "silent": "ended before the request ran: none wrote why, as when memory runs out",
    "logged": "cannot start: Runner failed with exit code: 137",
    "refused": "the container on Modal failed: Runner failed with exit code: 137",
}


@pytest.mark.parametrize("reading", SILENT_STARTS)
def test_a_container_that_is_killed_without_a_word_before_it_runs_anything_is_told(
    reading: str, start: Start, cli: Cli, modal: Modal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(calls, "LOOK_SECONDS", 1)
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    modal.image_python = image_with(tmp_path, site)
    modal.answer_failed_starts(reading)
    start()
    ran = cli("modal", "run", "--ref", REF, "--json")
    assert error(ran) == (1, "ERR_PROVIDER")
    assert SILENT_STARTS[reading] in ran.document["error"]["message"]
    assert "modal logs" in ran.document["error"]["hint"]


def test_a_lost_container_of_another_request_says_nothing_against_a_start_while_that_request_runs(
    remote: Remote, calling: Calling, modal: Modal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in modal.variables.items():
        monkeypatch.setenv(name, value)
    remote.deploy("yield 'first'; time.sleep(60)")
    with connected() as sdk:
        function = sdk.Function.from_name("app", "answer", environment_name="dev").hydrate()
        starts = Starts(function, datetime.now(timezone.utc), "look")
        calling()
        modal.kill_container()
        until(lambda: not any(container.inputs for container in modal.containers()))
        asyncio.run(starts.check())
        until(lambda: any(container.inputs for container in modal.containers()))
        for _ in range(3):
            asyncio.run(starts.check())
    assert modal.requests("FunctionGetTimeRangeStats"), "the failure was seen"


def test_a_container_of_another_request_that_fails_or_is_slow_says_nothing_of_this_one() -> None:
    now = datetime.now(timezone.utc)
    entries = [
        LogEntry("Traceback (most recent call last)\n", now, "stderr", "fu-1", ["fc-1", "in-1", "ta-1"]),
        LogEntry("a warning\n", now, "stderr", "fu-1", ["ta-2"]),
        LogEntry("another\n", now, "stderr", "fu-1", ["ta-3"]),
    ]
    assert failed_start(entries) == []
    entries.append(LogEntry("Runner failed with exit code: 2\n", now, "system", "fu-1", ["ta-3"]))
    assert failed_start(entries) == ["another", "Runner failed with exit code: 2"]


def test_an_app_that_an_older_theoryctl_deployed_is_told_and_not_taken_for_a_bug() -> None:
    with pytest.raises(ModalRefused, match="another version of theoryctl"):
        calls.Order().take({"event": "event: started"})


def test_who_waits_for_a_container_is_told_so(
    start: Start, cli: Cli, modal: Modal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "LOOK_SECONDS", 0.3)
    start()
    modal.hold_containers()
    threading.Timer(1, modal.release_containers).start()
    ran = cli("modal", "run", "--ref", REF)
    assert ran.status == 0
    assert "the container is starting (1 s)" in ran.err
    assert re.search(r"success · .* · after \d\.\d s of waiting\n", ran.err)
    assert re.search(r"the container has started, after \d+ s", ran.err)


def test_a_request_that_begins_after_its_caller_gave_up_is_refused() -> None:
    call = {"until": time.time() - 1, "image": IMAGE}

    async def items() -> list[dict[str, Any]]:
        return [item async for item in theoryctl_shim.generate(call)]

    assert asyncio.run(items())[-1]["error"]["code"] == "ERR_TIMEOUT"
