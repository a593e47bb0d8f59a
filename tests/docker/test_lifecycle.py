"""The life of an instance in Docker: started, found, watched, killed, stopped."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import REF, ROOT, THEORYCTL, Cli, messages
from tests.docker.conftest import Daemon, error, left_behind
from tests.test_startup import loaded_after
from tests.test_walls import HEAVY

START = ("local", "start", "--ref", REF)
RUN = ("local", "run", "--ref", REF)


def started(cli: Cli, *flags: str, **options: Any) -> dict[str, Any]:
    ran = cli(*START, *flags, "--json", **options)
    assert ran.status == 0, ran.err
    return ran.document


def test_start_simply_works_and_run_uses_what_it_started(cli: Cli, daemon: Daemon) -> None:
    ran = cli(*START)
    assert ran.status == 0, ran.err
    shown = dict(line.split(maxsplit=1) for line in ran.out.splitlines())
    assert (shown["ref"], shown["runtime"]) == (REF, "docker")
    assert "OPENAI_API_KEY" in shown["absent"]
    seen = daemon.inspect(shown["container"])
    assert seen["Image"] == shown["digest"]
    assert seen["NetworkSettings"]["Ports"]["8000/tcp"][0]["HostPort"] == shown["url"].rpartition(":")[2]
    here, there = cli(*RUN, "--runtime", "embedded", "--json").document, cli(*RUN, "--json").document
    assert (there["runtime"], there["outputs"]) == ("docker", here["outputs"])
    image, _, said = shown["image"].partition(" ")
    assert (there["meta"]["image"], said) == (f"{image}@{shown['digest']}", "(built here, not pinned)")
    assert (there["meta"]["resources"]["cpu"], there["meta"]["resources"]["memory"]) == (1.0, 1024)


def test_a_second_start_is_the_same_instance_and_builds_nothing(cli: Cli) -> None:
    first = started(cli)
    ran = cli(*START, "--json")
    assert (first["already_running"], ran.document["already_running"]) == (False, True)
    assert ran.document["container"] == first["container"]
    assert "building" not in ran.err


def test_a_run_against_a_container_loads_an_http_client_and_no_sdk(cli: Cli, environment: dict[str, str]) -> None:
    started(cli)
    loaded = loaded_after([*RUN, "--json"], environment)
    assert loaded & HEAVY == {"http.client"}
    assert "theoryctl_providers.engine.execute" not in loaded


def test_a_container_that_the_daemon_refuses_leaves_the_instance_that_runs(
    cli: Cli, daemon: Daemon, tmp_path: Path
) -> None:
    first = started(cli)
    assert first["url"]
    manifest = tmp_path / f"work/manifests/{REF}.yaml"
    manifest.parent.mkdir(parents=True)
    text = (ROOT / f"manifests/{REF}.yaml").read_text()
    manifest.write_text(re.sub(r"cpu: [\d.]+", "cpu: 64", text))
    ran = cli(*START, "--build", "--json")
    assert error(ran) == (5, "ERR_DOCKER")
    assert "CPU" in ran.document["error"]["message"]
    (row,) = cli("local", "status", "--json").document["instances"]
    assert (row["container"], row["healthy"]) == (first["container"], True)
    manifest.unlink()
    again = started(cli, "--build")
    assert again["container"] != first["container"]
    assert re.fullmatch(r"/theoryctl-llm-litellm-1-\w{8}", daemon.inspect(again["container"])["Name"])


def test_two_starts_at_once_yield_one_instance(theoryctl: Cli) -> None:
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: started(theoryctl), range(3)))
    assert len({instance["container"] for instance in found}) == 1
    assert [instance["already_running"] for instance in found].count(False) == 1


def test_two_refs_share_a_network_that_goes_with_the_last_of_them(
    theoryctl: Cli, daemon: Daemon, environment: dict[str, str]
) -> None:
    with ThreadPoolExecutor(2) as pool:
        assert [ran.status for ran in pool.map(lambda ref: theoryctl(*START[:3], ref), (REF, "llm/mock@1"))] == [0, 0]
    assert len(left_behind(daemon, environment)) == 3
    assert theoryctl("local", "stop", "--ref", REF).status == 0
    assert theoryctl("local", "run", "--ref", "llm/mock@1", "--json").document["runtime"] == "docker"
    assert theoryctl("local", "stop", "--ref", "llm/mock@1").status == 0
    assert left_behind(daemon, environment) == []


def test_of_two_instances_of_a_ref_a_command_wants_to_know_which(cli: Cli) -> None:
    container, process = started(cli), started(cli, "--runtime", "process")
    for command in ("run", "logs", "url", "env"):
        ran = cli("local", command, "--ref", REF, "--json")
        assert error(ran) == (2, "ERR_USAGE")
        assert "--runtime docker" in ran.document["error"]["hint"]
    for instance in (container, process):
        shown = cli("local", "url", "--ref", REF, "--runtime", instance["runtime"])
        assert shown.out.strip() == instance["url"]
    assert len(cli("local", "stop", "--ref", REF, "--json").document["instances"]) == 2


def test_a_start_in_another_mode_than_what_runs_is_refused(cli: Cli) -> None:
    started(cli)
    ran = cli(*START, "--mode", "real", "--json")
    assert error(ran) == (2, "ERR_USAGE")
    assert "stop" in ran.document["error"]["hint"]


def test_status_shows_what_the_daemon_says(cli: Cli) -> None:
    instance = started(cli)
    (row,) = cli("local", "status", "--json").document["instances"]
    assert (row["state"], row["healthy"], row["drift"], row["digest"]) == ("running", True, None, instance["digest"])
    assert 0 < row["memory_bytes"] < 200 << 20
    assert 0 <= row["cpu_percent"] < 400


def test_logs_are_those_of_the_container(theoryctl: Cli) -> None:
    started(theoryctl)
    envelopes = [theoryctl(*RUN, "--json").document for _ in range(3)]
    logs = ("local", "logs", "--ref", REF, "--json")
    lines = theoryctl(*logs).out.splitlines()
    assert [json.loads(line)["run_id"] for line in lines] == [envelope["run_id"] for envelope in envelopes]
    assert theoryctl(*logs, "--tail", "1", "--since", "1h").out.splitlines() == lines[-1:]
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(theoryctl, *logs, "-f")
        time.sleep(1)
        last = theoryctl(*RUN, "--json").document["run_id"]
        theoryctl("local", "stop", "--all")
        assert json.loads(following.result().out.splitlines()[-1])["run_id"] == last


def test_an_attachment_of_a_gibibyte_goes_through_without_being_held_in_memory(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "large"
    with file.open("wb") as sparse:
        sparse.truncate(1 << 30)
    started(cli, "--max-attachment", "1GiB")
    large = ("--attach", f"a={file}", "--max-attachment", "1GiB")
    here, there = cli(*RUN, *large, "--runtime", "embedded"), cli(*RUN, *large)
    assert (there.status, there.out) == (0, here.out), there.err
    (row,) = cli("local", "status", "--json").document["instances"]
    assert row["memory_bytes"] < 200 << 20  # the kernel's cache of files that are in use counts too


# -- what may happen to an instance --


def test_a_container_killed_while_idle_is_an_error_with_the_way_back(cli: Cli, daemon: Daemon) -> None:
    instance = started(cli)
    daemon("kill", "--signal", "KILL", instance["container"])
    ran = cli(*RUN, "--json")
    assert error(ran) == (5, "ERR_NOT_RUNNING")
    assert ran.document["error"]["hint"] == f"theoryctl local start --ref {REF} --runtime docker"
    assert [row["state"] for row in cli("local", "status", "--json").document["instances"]] == ["dead"]
    assert cli("local", "status", "--json").document["instances"] == []
    assert started(cli)["container"] != instance["container"]


def test_a_container_removed_by_hand_is_as_good_as_dead(cli: Cli, daemon: Daemon) -> None:
    daemon("rm", "--force", started(cli)["container"])
    assert error(cli(*RUN, "--json")) == (5, "ERR_NOT_RUNNING")
    assert cli("local", "stop", "--ref", REF, "--json").document["instances"][0]["was_running"] is False


def test_a_container_without_its_record_is_found_by_its_labels(cli: Cli, environment: dict[str, str]) -> None:
    instance = started(cli)
    for record in (Path(environment["HOME"]) / ".local/state/theoryctl/instances").rglob("*.json"):
        record.write_text("{")
    (row,) = cli("local", "status", "--json").document["instances"]
    assert (row["container"], row["state"], row["ref"]) == (instance["container"], "running", REF)
    assert started(cli)["container"] != instance["container"]


def test_nobody_else_s_containers_are_seen(cli: Cli, environment: dict[str, str], tmp_path: Path) -> None:
    started(cli)
    other = {"THEORYCTL_STATE_DIR": str(tmp_path / "other")}
    assert cli("local", "start", "--ref", "llm/mock@1", env=other).status == 0
    assert [row["ref"] for row in cli("local", "status", "--json", env=other).document["instances"]] == ["llm/mock@1"]
    assert len(cli("local", "stop", "--all", "--json", env=other).document["instances"]) == 1
    assert cli(*RUN, "--json").document["runtime"] == "docker"


# -- starts that fail --


def test_a_container_that_dies_while_starting_is_told_with_its_last_words(
    cli: Cli, daemon: Daemon, environment: dict[str, str], local_image: Any
) -> None:
    local_image('ENTRYPOINT ["sh", "-c", "echo no server today >&2; exit 7"]')
    ran = cli(*START, "--json")
    assert error(ran) == (5, "ERR_START")
    assert "status 7" in ran.document["error"]["message"]
    assert "no server today" in ran.document["error"]["message"]
    assert left_behind(daemon, environment) == []


def test_an_image_whose_server_refuses_to_start_is_told_in_its_words(cli: Cli, local_image: Any) -> None:
    line = '{"code": "ERR_PROVIDER", "message": "no LiteLLM here", "hint": "pip install litellm"}'
    words = json.dumps(["sh", "-c", f"echo '{line}' >&2; exit 2"])
    local_image(f"ENTRYPOINT {words}")
    ran = cli(*START, "--json")
    assert error(ran) == (1, "ERR_PROVIDER")
    assert ran.document["error"]["message"] == f"{REF}: in its image, no LiteLLM here"


def test_a_container_that_never_becomes_ready_is_given_up(
    cli: Cli, daemon: Daemon, environment: dict[str, str], local_image: Any
) -> None:
    local_image('ENTRYPOINT ["sleep", "600"]')
    ran = cli(*START, "--wait-timeout", "1.5", "--json")
    assert error(ran) == (5, "ERR_START")
    assert "1.5 s" in ran.document["error"]["message"]
    assert left_behind(daemon, environment) == []


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_a_start_that_is_interrupted_leaves_nothing_or_what_the_next_command_finds(
    cli: Cli, daemon: Daemon, environment: dict[str, str], local_image: Any, sent: signal.Signals, tmp_path: Path
) -> None:
    local_image('ENTRYPOINT ["sleep", "600"]')
    process = subprocess.Popen(
        [THEORYCTL, *START], env=environment, cwd=tmp_path / "work", stderr=subprocess.PIPE, text=True
    )
    with process:
        while len(left_behind(daemon, environment)) < 2:
            assert process.poll() is None
            time.sleep(0.05)
        time.sleep(0.3)
        process.send_signal(sent)
        process.wait(timeout=20)
        assert process.stderr is not None
        said = process.stderr.read()
    if sent == signal.SIGINT:
        assert process.returncode == 130, said
        assert left_behind(daemon, environment) == []
    else:
        (row,) = cli("local", "status", "--json").document["instances"]
        assert (row["ref"], row["healthy"]) == (REF, False)
        assert cli("local", "stop", "--all").status == 0
        assert left_behind(daemon, environment) == []


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("unix:///nonexistent/docker.sock", "unix:///nonexistent/docker.sock (DOCKER_HOST): No such file or directory"),
        ("tcp://127.0.0.1:9", "tcp://127.0.0.1:9 (DOCKER_HOST): Connection refused"),
        ("nonsense", "nonsense"),
        ("ssh://me@elsewhere", "ssh://me@elsewhere (DOCKER_HOST) is on another machine"),
    ],
)
def test_without_a_daemon_the_error_says_so_and_names_the_process_runtime(cli: Cli, host: str, said: str) -> None:
    ran = cli(*START, "--json", env={"DOCKER_HOST": host})
    assert error(ran) == (5, "ERR_DOCKER")
    assert said in ran.document["error"]["message"]
    assert "--runtime process" in ran.document["error"]["hint"]


def test_the_context_in_use_is_named_where_its_daemon_does_not_answer(cli: Cli, tmp_path: Path) -> None:
    away = {"DOCKER_HOST": "", "DOCKER_CONFIG": str(tmp_path / "docker")}
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker/config.json").write_text("{}")  # without it the SDK looks elsewhere
    subprocess.run(
        ["docker", "context", "create", "far", "--docker", "host=unix:///nonexistent/far.sock"],
        env={**os.environ, **away}, check=True, capture_output=True,
    )  # fmt: skip
    ran = cli(*START, "--json", env={**away, "DOCKER_CONTEXT": "far"})
    assert error(ran) == (5, "ERR_DOCKER")
    assert "unix:///nonexistent/far.sock (context far): No such file" in ran.document["error"]["message"]
    ran = cli(*START, "--json", env={**away, "DOCKER_CONTEXT": "none"})
    assert ran.document["error"]["message"] == "DOCKER_CONTEXT: there is no context 'none'"


def test_a_daemon_that_does_not_answer_is_given_up(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("theoryctl.docker.client.FIRST_TIMEOUT", 1)
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(f"{tmp_path}/deaf.sock")
        deaf.listen()
        ran = cli(*START, "--json", env={"DOCKER_HOST": f"unix://{tmp_path}/deaf.sock"})
    assert error(ran) == (5, "ERR_DOCKER")


def test_a_disk_that_is_full_is_said_and_nothing_is_left(cli: Cli, daemon: Daemon, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k,mode=700", "tmpfs", small], check=True)
    try:
        with (small / "filler").open("wb", buffering=0) as file:
            try:
                while file.write(b"x" * 4096):
                    pass
            except OSError:
                os.fsync(file.fileno())
        ran = cli(*START, "--json", env={"THEORYCTL_STATE_DIR": str(small)})
        assert error(ran) == (5, "ERR_START")
        assert "No space left" in ran.document["error"]["message"]
        assert left_behind(daemon, small) == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_five_hundred_requests_at_64_connections_are_all_answered_or_refused(cli: Cli) -> None:
    started(cli)
    variables = cli("local", "env", "--ref", REF, "--json").document["variables"]

    def ask(number: int) -> int:
        with closing(http.client.HTTPConnection(urlsplit(variables["THEORYCTL_URL"]).netloc, timeout=30)) as connection:
            body = f'{{"inputs": {messages(f"number {number}")}}}'
            connection.request("POST", "/v1/run", body, {"Authorization": f"Bearer {variables['THEORYCTL_TOKEN']}"})
            with connection.getresponse() as response:
                return response.status

    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(ask, range(500)))
    assert set(answers) <= {200, 429}
    assert answers.count(200) > 100
