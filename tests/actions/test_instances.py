"""Started providers: `local start | run | stop | status | logs | url | env`, in the process runtime."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import REF, ROOT, THEORYCTL, Cli, Ran, messages
from tests.real.vendor import Vendor
from tests.waiting import until

START = ("local", "start", "--ref", REF, "--runtime", "process")
RUN = ("local", "run", "--ref", REF)
CANARY = "sk-canary-0123456789abcdef"


@pytest.fixture(autouse=True)
def _nothing_is_left(cli: Cli) -> Iterator[None]:
    yield
    cli("local", "stop", "--all")


def started(cli: Cli, *flags: str, **options: Any) -> dict[str, Any]:
    ran = cli(*START, *flags, "--json", **options)
    assert ran.status == 0, ran.err
    return ran.document


def state_files(environment: dict[str, str]) -> list[Path]:
    return [path for path in (Path(environment["HOME"]) / ".local/state/theoryctl").rglob("*") if path.is_file()]


def record(environment: dict[str, str]) -> Path:
    (found,) = [path for path in state_files(environment) if path.suffix == ".json"]
    return found


def error(ran: Ran) -> tuple[int, str]:
    return ran.status, ran.document["error"]["code"]


# -- the same bytes --

GOLDEN = json.loads((ROOT / "tests/providers/golden_mock.json").read_text())


def test_a_started_provider_answers_every_golden_request_with_the_bytes_of_the_embedded_one(cli: Cli) -> None:
    started(cli)
    for case in (case for case in GOLDEN if not case["attachments"]):
        envelope = cli(*RUN, "--inputs", "-", "--json", stdin=json.dumps(case["inputs"])).document
        assert envelope["runtime"] == "process"
        assert {key: envelope[key] for key in ("outputs", "usage")} == case["expected"], case["name"]


@pytest.mark.parametrize(
    "flags",
    [
        (),
        ("--stream",),
        ("--prompt", "x" * 100_000),
        ("--inputs-json", messages("grüße 👋", n=3)),
        ("--inputs-json", '{"messages": []}'),
        ("--inputs-json", messages("x", logprobs=True)),
        ("--attach", f"a={__file__}", "--attach", f"b={ROOT / 'LICENSE'}"),
        ("--attach", "a=/dev/null"),
    ],
    ids=lambda flags: " ".join(flags)[:30],
)
def test_embedded_and_process_differ_in_nothing_but_where_they_ran(cli: Cli, flags: tuple[str, ...]) -> None:
    started(cli)
    for output in ((), ("--json",)):
        here, there = cli(*RUN, *flags, *output, "--runtime", "embedded"), cli(*RUN, *flags, *output)
        assert here.status == there.status
        if output:
            one, other = here.document, there.document
            assert [one[key] for key in ("outputs", "usage", "error", "model")] == [
                other[key] for key in ("outputs", "usage", "error", "model")
            ]
            assert one["meta"]["attachments"] == other["meta"]["attachments"]
        else:
            assert here.out == there.out


# -- start --


def test_start_says_what_it_started_and_run_uses_it(cli: Cli) -> None:
    instance = started(cli)
    assert (instance["ref"], instance["runtime"], instance["mode"]) == (REF, "process", "mock")
    assert instance["url"].startswith("http://127.0.0.1:")
    assert instance["secrets_absent"][0] == "OPENAI_API_KEY"
    assert "token" not in instance
    assert cli(*RUN, "--json").document["runtime"] == "process"
    assert cli(*RUN, "--json", "--runtime", "embedded").document["runtime"] == "embedded"


def test_started_twice_is_the_same_instance(cli: Cli) -> None:
    first, second = started(cli), started(cli)
    assert (first["already_running"], second["already_running"]) == (False, True)
    assert first["pid"] == second["pid"]


def test_two_starts_at_once_yield_one_instance(theoryctl: Cli) -> None:
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: started(theoryctl), range(3)))
    assert len({instance["pid"] for instance in found}) == 1
    assert [instance["already_running"] for instance in found].count(False) == 1


def test_the_record_is_private_and_the_token_is_nowhere_else(cli: Cli, environment: dict[str, str]) -> None:
    instance = started(cli)
    token = json.loads(record(environment).read_text())["token"]
    for path in state_files(environment):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 or path.stat().st_size == 0
        assert path == record(environment) or token not in path.read_text()
    for name in ("cmdline", "environ"):
        assert token.encode() not in Path(f"/proc/{instance['pid']}/{name}").read_bytes()


def test_secrets_reach_the_server_and_are_nowhere_to_be_seen(cli: Cli, environment: dict[str, str]) -> None:
    with Vendor() as vendor:
        env = {"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": f"{vendor.url}/v1", "COPY_OF_IT": CANARY}
        instance = started(cli, "--mode", "real", env=env)
        assert "OPENAI_API_KEY" in instance["secrets_present"]
        # Neither the mode nor a key is given here: they are the instance's.
        ran = cli(*RUN, "--prompt", "Hi", "--json")
        assert (ran.document["mode"], ran.document["status"]) == ("real", "success"), ran.err
        assert vendor.requests[0].headers["authorization"] == f"Bearer {CANARY}"
    seen = [Path(f"/proc/{instance['pid']}/{name}").read_bytes() for name in ("cmdline", "environ")]
    seen += [path.read_bytes() for path in state_files(environment)]
    seen += [text.encode() for shown in (ran, cli("local", "status", "--json")) for text in (shown.out, shown.err)]
    assert [text for text in seen if CANARY.encode() in text] == []


def test_run_never_sends_its_own_environment_to_an_instance_that_lacks_a_key(cli: Cli) -> None:
    started(cli)
    ran = cli(*RUN, "--mode", "real", "--prompt", "x", "--json", env={"OPENAI_API_KEY": CANARY})
    assert error(ran) == (4, "ERR_MISSING_SECRET")
    given = cli(*RUN, "--env-file", "/dev/null", "--json")
    assert (error(given), "started with" in given.document["error"]["message"]) == ((2, "ERR_USAGE"), True)


def test_a_server_that_dies_while_starting_is_told_with_its_last_words_and_nothing_is_left(
    cli: Cli, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "uvicorn.py").write_text("raise SystemExit('no uvicorn today')")
    ran = cli(*START, "--json", env={"PYTHONPATH": str(tmp_path)})
    assert error(ran) == (5, "ERR_START")
    assert "no uvicorn today" in ran.document["error"]["message"]
    assert [path for path in state_files(environment) if path.suffix == ".json"] == []
    assert cli("local", "status", "--json").document["instances"] == []


def test_a_server_imports_from_where_a_relative_path_leads_here(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "uvicorn.py").write_text("raise SystemExit('no uvicorn today')")
    ran = cli(*START, "--json", env={"PYTHONPATH": f"{os.path.relpath(tmp_path, tmp_path / 'work')}:nowhere"})
    assert error(ran) == (5, "ERR_START")
    assert "no uvicorn today" in ran.document["error"]["message"]


def test_a_server_that_refuses_to_start_is_told_in_its_own_words(cli: Cli, tmp_path: Path) -> None:
    release = "1.82.7"  # theoryctl_providers/contract/compromised.py
    (tmp_path / f"litellm-{release}.dist-info").mkdir()
    (tmp_path / f"litellm-{release}.dist-info/METADATA").write_text(f"Name: litellm\nVersion: {release}\n")
    ran = cli(*START, "--mode", "real", "--json", env={"PYTHONPATH": str(tmp_path), "OPENAI_API_KEY": CANARY})
    assert error(ran) == (1, "ERR_PROVIDER")
    said = ran.document["error"]
    assert said["message"] == f"{REF}: litellm {release} is a compromised release and was not loaded"
    assert said["hint"].startswith("install another release of litellm")
    assert cli("local", "status", "--json").document["instances"] == []


REFUSING = """
import sys
from theoryctl_providers import LLMProvider, ProviderError

class Refusing(LLMProvider):
    default_model = "refusing/this"

    def prepare(self, mode):
        print("loading\\nweights ... ", end="", file=sys.STREAM)
        raise ProviderError("ERR_MODEL_NOT_FOUND", 'no {"code": weights\u2028 here', hint="get some")

    async def stream(self, request):
        yield
"""


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_refusal_behind_words_that_end_no_line_keeps_its_code(cli: Cli, tmp_path: Path, stream: str) -> None:
    (tmp_path / "refusing.py").write_text(REFUSING.replace("STREAM", stream))
    manifest = tmp_path / f"work/manifests/{REF}.yaml"
    manifest.parent.mkdir(parents=True)
    text = (ROOT / f"manifests/{REF}.yaml").read_text()
    manifest.write_text(text.replace("provider: litellm", "provider: refusing:Refusing"))
    refused = cli(*START, "--json", env={"PYTHONPATH": str(tmp_path)}).document["error"]
    assert refused["code"] == "ERR_MODEL_NOT_FOUND"
    assert refused["message"] == f'{REF}: no {{"code": weights\u2028 here'
    assert refused["hint"] == "get some"


def test_a_start_that_takes_too_long_leaves_no_process(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "uvicorn.py").write_text("import time; time.sleep(60)")
    ran = cli(*START, "--wait-timeout", "0.5", "--json", env={"PYTHONPATH": str(tmp_path)})
    assert error(ran) == (5, "ERR_START")
    assert "0.5 s" in ran.document["error"]["message"]
    assert not _servers(str(tmp_path))


def _servers(path: str) -> list[int]:
    """Servers whose environment holds a path of this test."""
    found = []
    for process in psutil.process_iter():
        try:
            if "theoryctl_providers" in process.cmdline() and path in process.environ().get("PYTHONPATH", ""):
                found.append(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_a_start_that_is_interrupted_leaves_nothing_or_what_the_next_command_finds(
    cli: Cli, environment: dict[str, str], tmp_path: Path, sent: signal.Signals
) -> None:
    (tmp_path / "uvicorn.py").write_text("import time; time.sleep(60)")
    process = subprocess.Popen(
        [THEORYCTL, *START], env={**environment, "PYTHONPATH": str(tmp_path)}, stderr=subprocess.PIPE
    )
    with process:
        while not [path for path in state_files(environment) if path.suffix == ".json"] or not _servers(str(tmp_path)):
            time.sleep(0.05)
        process.send_signal(sent)
        process.wait(timeout=20)
    cli("local", "stop", "--all")
    assert _servers(str(tmp_path)) == []


@pytest.mark.skipif(sys.platform == "darwin", reason="there names of files are UTF-8")
def test_a_folder_whose_name_is_no_text_holds_instances(cli: Cli, environment: dict[str, str], tmp_path: Path) -> None:
    environment["THEORYCTL_STATE_DIR"] = str(tmp_path / "a\udcff\n b")
    assert cli(*START).status == 0
    assert cli(*RUN, "--runtime", "process", "--json").document["runtime"] == "process"
    assert until(lambda: '"run_id"' in cli("local", "logs", "--ref", REF, "--json").out)
    record_of_it = next((tmp_path / "a\udcff\n b").rglob("*.json"))
    assert cli("local", "stop", "--ref", REF).out == f"stopped {REF} (process)\n"
    assert not record_of_it.exists()


def test_a_disk_that_cannot_be_written_is_said(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    ran = cli(*START, "--json", env={"THEORYCTL_STATE_DIR": str(tmp_path / "state")})
    assert ran.status != 0
    assert ran.document["error"]["code"] == "ERR_START"


def test_a_large_attachment_goes_through_without_being_held_in_memory(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "large"
    with file.open("wb") as sparse:
        sparse.truncate(256 << 20)
    instance = started(cli, "--max-attachment", "256MiB")
    large = ("--attach", f"a={file}", "--max-attachment", "256MiB")
    here, there = cli(*RUN, *large, "--runtime", "embedded"), cli(*RUN, *large)
    assert (there.status, there.out) == (0, here.out)
    (peak,) = [line for line in Path(f"/proc/{instance['pid']}/status").read_text().splitlines() if "VmHWM" in line]
    assert int(peak.split()[1]) < 80 << 10


def test_an_attachment_larger_than_the_instance_takes_is_refused_by_it(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 30_000_000)
    started(cli, "--max-attachment", "1KiB")
    assert error(cli(*RUN, "--attach", f"a={tmp_path / 'file'}", "--json")) == (3, "ERR_TOO_LARGE")


# -- what may happen to an instance --


def test_an_instance_that_was_killed_is_an_error_with_the_way_back_and_never_a_silent_switch(cli: Cli) -> None:
    instance = started(cli)
    os.kill(instance["pid"], signal.SIGKILL)
    ran = cli(*RUN, "--json")
    assert error(ran) == (5, "ERR_NOT_RUNNING")
    assert ran.document["error"]["hint"] == f"theoryctl local start --ref {REF} --runtime process"
    assert started(cli)["pid"] != instance["pid"]
    assert cli(*RUN).status == 0


def test_an_instance_killed_in_the_middle_of_an_answer_is_an_error(theoryctl: Cli, tmp_path: Path) -> None:
    script = tmp_path / "slow.yaml"
    script.write_text("rules: [{answers: [{text: late, delay: 20}]}]\n")
    instance = started(theoryctl, "--script", str(script))
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(theoryctl, *RUN, "--prompt", "x", "--json")
        until(lambda: theoryctl("local", "requests", "--ref", REF, "--json").document["requests"])
        os.kill(instance["pid"], signal.SIGKILL)
        assert error(call.result()) == (5, "ERR_NOT_RUNNING")


def test_a_pid_that_is_another_process_by_now_is_left_alone(cli: Cli, environment: dict[str, str]) -> None:
    instance = started(cli)
    os.kill(instance["pid"], signal.SIGKILL)
    file = record(environment)
    file.write_text(json.dumps({**json.loads(file.read_text()), "pid": os.getpid()}))
    assert cli("local", "stop", "--all", "--json").document["instances"][0]["was_running"] is False
