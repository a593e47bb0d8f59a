"""The command line in real mode, as a process of its own: what it prints, writes, reads, and how it ends."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import REF, THEORYCTL, Cli, Ran
from tests.real.conftest import CANARY
from tests.real.vendor import Vendor, echoes_the_key, fails, stalls_midway
from theoryctl.terminal.format import duration_words

REAL = ("local", "run", "--ref", REF, "--mode", "real", "--prompt", "Say hello.")

#: What a library says when something was left open, or nobody looked at a failure.
NOISE = ("Unclosed", "ResourceWarning", "never retrieved", "never awaited", "Traceback", "Give Feedback")

#: Seconds of CPU from Ctrl-C to the end of the process.
PROMPTLY = 2.0


@pytest.fixture(autouse=True)
def own_folders(environment: dict[str, str], tmp_path: Path) -> None:
    """Nothing is read from or left in the developer's own folders; what a library leaves open, it says."""
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"):
        environment[name] = str(tmp_path / name)
    environment["PYTHONWARNINGS"] = "always::ResourceWarning"


def keyed(vendor: Vendor, **more: str) -> dict[str, str]:
    return {"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": vendor.addresses["OPENAI_BASE_URL"], **more}


def assert_quiet(ran: Ran) -> None:
    assert not [word for word in NOISE if word in ran.err], ran.err


def assert_keyless(ran: Ran, *folders: Path) -> None:
    assert CANARY not in ran.out
    assert CANARY not in ran.err
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert all(CANARY.encode() not in path.read_bytes() for path in files)


@pytest.mark.parametrize("flags", [(), ("--debug",)], ids=["", "debug"])
def test_an_answer_arrives_as_one_envelope_without_the_key_it_quoted(
    theoryctl: Cli, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    saved = tmp_path / "saved"
    with Vendor(echoes_the_key(4, 11)) as vendor:
        ran = theoryctl(*REAL, "--json", "--save-dir", str(saved), *flags, env=keyed(vendor))
    assert ran.status == 0, ran.err
    envelope = ran.document
    assert (envelope["status"], envelope["mode"], envelope["model"]) == ("success", "real", "openai/gpt-4o-mini")
    assert sorted(envelope["meta"]["secrets_present"]) == ["OPENAI_API_KEY", "OPENAI_BASE_URL"]
    assert (saved / "answer.txt").read_text() == "Your key is [OPENAI_API_KEY], is it not?"
    assert "loading LiteLLM" in ran.err
    assert 0 < envelope["meta"]["loading_ms"] < envelope["meta"]["duration_ms"]
    assert f"({duration_words(envelope['meta']['loading_ms'])} to load the provider)" in ran.err
    assert "keep it loaded" not in ran.err  # nobody is at a terminal
    assert_quiet(ran)
    assert_keyless(ran, tmp_path)


def test_an_answer_is_streamed_and_the_env_file_goes_before_the_environment(theoryctl: Cli, tmp_path: Path) -> None:
    env_file = tmp_path / "keys"
    env_file.write_text(f"OPENAI_API_KEY={CANARY}\nUNRELATED=1\n")
    with Vendor(echoes_the_key(4, 11)) as vendor:
        env = keyed(vendor, OPENAI_API_KEY="another-key-from-the-environment")
        ran = theoryctl(*REAL, "--stream", "--env-file", str(env_file), env=env)
    assert ran.status == 0, ran.err
    assert ran.out == "Your key is [OPENAI_API_KEY], is it not?\n"
    assert vendor.requests[0].headers["authorization"] == f"Bearer {CANARY}"
    assert_quiet(ran)
    assert_keyless(ran)


def test_a_vendor_is_asked_for_a_stream_only_where_somebody_reads_one(cli: Cli) -> None:
    with Vendor() as vendor:
        env = keyed(vendor)
        assert [cli(*REAL, *flags, env=env).status for flags in ((), ("--stream",))] == [0, 0]
        start = cli("local", "start", "--ref", REF, "--runtime", "process", env=env)
        assert start.status == 0, start.err
        assert [cli(*REAL, *flags).status for flags in ((), ("--stream",))] == [0, 0]
        cli("local", "stop", "--all")
        assert [bool(request.body.get("stream")) for request in vendor.requests] == [False, True] * 2


@pytest.mark.parametrize("flags", [("--json", "--debug"), ("--stream",)], ids=["json debug", "stream"])
def test_a_refused_key_ends_with_status_4_and_is_not_shown(theoryctl: Cli, flags: tuple[str, ...]) -> None:
    with Vendor(fails(401)) as vendor:
        ran = theoryctl(*REAL, *flags, env=keyed(vendor))
    assert ran.status == 4
    assert "error ERR_AUTH" in ran.err
    assert "OPENAI_API_KEY" in ran.err
    if "--json" in flags:
        assert ran.document["error"]["code"] == "ERR_AUTH"
    else:
        assert ran.out == ""
    assert_quiet(ran)
    assert_keyless(ran)


def test_a_time_that_is_over_before_a_call_is_begun_is_said_and_nothing_else(theoryctl: Cli) -> None:
    with Vendor() as vendor:
        ran = theoryctl(*REAL, "--timeout", "0.001", "--json", env=keyed(vendor))
        assert vendor.requests == []
    assert (ran.status, ran.document["error"]["code"]) == (124, "ERR_TIMEOUT")
    assert_quiet(ran)


def test_the_key_is_not_in_the_progress_of_retries(theoryctl: Cli) -> None:
    with Vendor(fails(503, retry_after="0.1")) as vendor:
        ran = theoryctl(*REAL, "--json", env=keyed(vendor))
    assert (ran.status, ran.document["error"]["code"]) == (1, "ERR_UNAVAILABLE")
    assert ran.err.count("trying again") == 2
    assert_quiet(ran)
    assert_keyless(ran)


@pytest.mark.parametrize("key", [None, "", " "], ids=["missing", "empty", "blank"])
def test_a_missing_key_is_named_before_anything_is_loaded(cli: Cli, key: str | None) -> None:
    with Vendor() as vendor:
        given = {} if key is None else {"OPENAI_API_KEY": key}
        ran = cli(*REAL, "--json", env={"OPENAI_BASE_URL": vendor.addresses["OPENAI_BASE_URL"], **given})
    assert ran.status == 4
    assert ran.document["error"]["code"] == "ERR_MISSING_SECRET"
    assert "OPENAI_API_KEY" in ran.document["error"]["message"]
    assert "loading" not in ran.err
    assert vendor.requests == []


#: Notes where a process connects to and whose addresses it looks up; run by Python itself at its start.
WATCH = """
import sys

def note(event, arguments):
    if event in ("socket.connect", "socket.sendto"):
        told = arguments[1]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        told = arguments[0]
    elif event == "open" and str(arguments[0]).endswith(".env"):
        told = arguments[0]
    else:
        return
    with open({log!r}, "a") as log:
        print(event, repr(told), file=log)

sys.addaudithook(note)
"""


def test_nothing_is_fetched_and_no_env_file_of_a_folder_above_is_read(theoryctl: Cli, tmp_path: Path) -> None:
    log, hook, project = tmp_path / "log", tmp_path / "hook", tmp_path / "project"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(WATCH.format(log=str(log)))
    folder = project / "below"
    folder.mkdir(parents=True)
    for place in (project, folder):
        (place / ".env").write_text(f"OPENAI_API_KEY={CANARY}\nOPENAI_ORGANIZATION=org-of-the-env-file\n")
    unset = theoryctl(*REAL, "--json", cwd=folder)
    with Vendor() as vendor:
        env = keyed(vendor, OPENAI_API_KEY="key-of-the-environment", PYTHONPATH=str(hook))
        ran = theoryctl(*REAL, "--json", env=env, cwd=folder)
    assert (unset.status, unset.document["error"]["code"]) == (4, "ERR_MISSING_SECRET")
    assert ran.status == 0, ran.err
    (request,) = vendor.requests
    assert request.headers["authorization"] == "Bearer key-of-the-environment"
    assert "openai-organization" not in request.headers
    noted = log.read_text().splitlines()
    assert noted
    assert [line for line in noted if "127.0.0.1" not in line] == []


# -- Ctrl-C -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `theoryctl` and leave it running."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, env: dict[str, str]) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [THEORYCTL, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**environment, **env},
            cwd=tmp_path,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


Start = Callable[..., "subprocess.Popen[str]"]


def assert_interrupted(process: subprocess.Popen[str]) -> None:
    """Press Ctrl-C, and see it end with little more work, with one envelope and no noise."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    before = psutil.Process(process.pid).cpu_times()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    whole = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = whole.ru_utime - ended.ru_utime + whole.ru_stime - ended.ru_stime - before.user - before.system
    assert spent < PROMPTLY
    assert process.returncode == 130, err
    assert out.count("\n") == 1, out
    envelope: dict[str, Any] = json.loads(out)
    assert (envelope["schema"], envelope["error"]["code"]) == ("theoryctl.run/v1", "ERR_INTERRUPTED")
    # Python itself warns of the file it was importing from.
    assert not [word for word in NOISE if word in err and word != "ResourceWarning"], err


def read_until(process: subprocess.Popen[str], words: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return
    raise AssertionError(f"it ended without saying {words!r}")


def wait_until_mapped(process: subprocess.Popen[str], library: str, seconds: float = 60) -> None:
    """Return once the process has loaded a shared library, as /proc tells."""
    end = time.monotonic() + seconds
    while library not in Path(f"/proc/{process.pid}/maps").read_text():
        assert process.poll() is None
        assert time.monotonic() < end, f"{library} was not loaded within {seconds} s"
        time.sleep(0.01)


@pytest.mark.parametrize("library", [None, "_tiktoken"], ids=["at its beginning", "in its middle"])
@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="looks into /proc")
def test_ctrl_c_ends_the_loading_of_litellm(start: Start, library: str | None) -> None:
    with Vendor() as vendor:
        process = start(*REAL, "--json", env=keyed(vendor))
        read_until(process, "loading LiteLLM")
        if library is not None:
            wait_until_mapped(process, library)
        assert_interrupted(process)
    assert vendor.requests == []


def test_ctrl_c_ends_the_wait_for_a_silent_vendor(start: Start) -> None:
    with Vendor(stalls_midway) as vendor:
        process = start(*REAL, "--json", env=keyed(vendor))
        vendor.wait_for_request(seconds=60)
        assert_interrupted(process)
