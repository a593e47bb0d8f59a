"""Commands on what was started: `local stop`, `status`, `logs`, `url` and `env`."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.actions.running import RUN, change, error, listed, record, servers, started, stranger
from tests.conftest import REF, ROOT, THEORYCTL, Cli, messages
from tests.waiting import until


@pytest.fixture(autouse=True)
def _nothing_is_left(cli: Cli) -> Iterator[None]:
    yield
    cli("local", "stop", "--all")


def test_stop_ends_the_process_and_says_so(cli: Cli) -> None:
    instance = started(cli)
    ran = cli("local", "stop", "--ref", REF)
    assert (ran.status, ran.out) == (0, f"stopped {REF} (process)\n")
    assert not psutil.pid_exists(instance["pid"])
    assert error(cli("local", "stop", "--ref", REF, "--json")) == (5, "ERR_NOT_RUNNING")


@pytest.mark.parametrize("flags", [(), ("--ref", REF, "--all")])
def test_stop_wants_to_know_what(cli: Cli, flags: tuple[str, ...]) -> None:
    assert error(cli("local", "stop", *flags, "--json")) == (2, "ERR_USAGE")


def test_status_shows_how_an_instance_is_and_forgets_a_dead_one(cli: Cli, environment: dict[str, str]) -> None:
    instance = started(cli)
    (row,) = cli("local", "status", "--json").document["instances"]
    assert (row["state"], row["healthy"], row["drift"]) == ("running", True, None)
    assert 0 < row["memory_bytes"] < 80 << 20
    assert cli("local", "status").out.split("\t")[:4] == [REF, "process", "running", "healthy"]
    os.kill(instance["pid"], signal.SIGKILL)
    until(lambda: not servers(environment))
    assert [row["state"] for row in cli("local", "status", "--json").document["instances"]] == ["dead"]
    assert cli("local", "status", "--json").document["instances"] == []


def test_status_shows_an_instance_as_dead_that_dies_while_it_is_looked_at(
    cli: Cli, environment: dict[str, str]
) -> None:
    instance = started(cli)

    def dying(request: bytes) -> bytes:
        os.kill(instance["pid"], signal.SIGKILL)
        until(lambda: not servers(environment))
        return b""

    with stranger(dying) as other:
        change(record(environment), url=other.url)
        assert [row["state"] for row in listed(cli)] == ["dead"]


def test_status_says_when_the_manifest_has_changed_since_the_start(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "work/manifests/llm/litellm@1.yaml"
    file.parent.mkdir(parents=True)
    file.write_text((ROOT / "manifests/llm/litellm@1.yaml").read_text())
    started(cli)
    file.write_text(file.read_text().replace("Any model", "Every model"))
    assert cli("local", "status", "--json").document["instances"][0]["drift"] == "manifest"


def test_logs_show_a_line_a_request_and_follow_until_the_end(theoryctl: Cli) -> None:
    started(theoryctl)
    envelopes = [theoryctl(*RUN, "--json").document for _ in range(3)]
    logs = ("local", "logs", "--ref", REF, "--json")
    lines = theoryctl(*logs).out.splitlines()
    assert [json.loads(line)["run_id"] for line in lines] == [envelope["run_id"] for envelope in envelopes]
    assert theoryctl(*logs, "--tail", "1").out.splitlines() == lines[-1:]
    assert theoryctl(*logs, "--since", "1h").out.splitlines() == lines
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(theoryctl, *logs, "-f")
        time.sleep(0.7)
        last = theoryctl(*RUN, "--json").document["run_id"]
        theoryctl("local", "stop", "--all")
        assert json.loads(following.result().out.splitlines()[-1])["run_id"] == last


def post(url: str, token: str, body: str) -> int:
    """The status of the answer to a request, which is read to its end."""
    request = urllib.request.Request(url, body.encode(), {"authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request) as answer:
            answer.read()
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def test_logs_are_read_in_columns_where_nobody_asks_for_json(cli: Cli, tmp_path: Path) -> None:
    script = tmp_path / "faults.yaml"
    script.write_text("rules:\n- {answers: [{text: Half of it, fault: {kind: truncate}}]}\n")
    started(cli, "--script", str(script))
    variables = cli("local", "env", "--ref", REF, "--json").document["variables"]
    url, token = variables["OPENAI_BASE_URL"], variables["OPENAI_API_KEY"]
    assert post(f"{url}/chat/completions", token, messages("hi", stream=True)) == 200
    assert post(f"{url}/nothing", "wrong", "{}") == 401
    assert cli(*RUN).status == 1  # streamed as well
    until(lambda: len(cli("local", "logs", "--ref", REF).out.splitlines()) == 3)  # a line may come after its answer
    lines = cli("local", "logs", "--ref", REF).out.splitlines()
    time_and = r"[A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d  "
    assert re.match(time_and + r"fail .* ms  openai/gpt-4o-mini .* ERR_BAD_RESPONSE$", lines[0])
    assert re.match(time_and + r"401 .* ms  POST /v1/nothing .* ERR_TOKEN$", lines[1])
    assert re.match(time_and + r"fail .* ms  openai/gpt-4o-mini .* ERR_BAD_RESPONSE$", lines[2])


@pytest.mark.parametrize("since", ["", "10", "m", "1y", "-1m"])
def test_a_time_that_is_none_is_a_usage_error(cli: Cli, since: str) -> None:
    assert error(cli("local", "logs", "--ref", REF, f"--since={since}", "--json")) == (2, "ERR_USAGE")


def test_url_and_env_are_what_another_program_needs(cli: Cli, environment: dict[str, str]) -> None:
    started(cli)
    script = (
        f'eval "$({THEORYCTL} local env --ref {REF})" && curl -sf "$THEORYCTL_URL/v1/run" '
        f'-H "Authorization: Bearer $THEORYCTL_TOKEN" -d \'{{"inputs": {messages("hi")}}}\''
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert json.loads(done.stdout)["status"] == "success"
    assert cli("local", "url", "--ref", REF).out.startswith("http://127.0.0.1:")
    for command in ("url", "env", "logs"):
        assert error(cli("local", command, "--ref", "llm/mock@1", "--json")) == (5, "ERR_NOT_RUNNING")


@pytest.mark.parametrize("runtime", ["nonsense", ""])
def test_a_runtime_that_cannot_be_started_is_a_usage_error(cli: Cli, runtime: str) -> None:
    assert error(cli("local", "start", "--ref", REF, "--runtime", runtime, "--json")) == (2, "ERR_USAGE")
    assert error(cli(*RUN, "--runtime", runtime, "--json")) == (2, "ERR_USAGE")


def test_a_run_in_a_named_runtime_with_nothing_started_says_what_starts_it(cli: Cli) -> None:
    ran = cli(*RUN, "--runtime", "process", "--json")
    assert error(ran) == (5, "ERR_NOT_RUNNING")
    assert "local start" in ran.document["error"]["hint"]
