"""Records and other local files that somebody else has made: read at once, bounded, and shown for what they are."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.actions.running import RUN, START, STOP, error, listed, records, started
from tests.conftest import REF, THEORYCTL, Cli
from tests.waiting import until
from theoryctl.paths import file_lock

OTHER = "llm/mock@1"
GOOD = {
    "ref": REF, "runtime": "process", "url": "http://127.0.0.1:1", "mode": "mock", "token": "t" * 40,
    "started_at": 1.0, "manifest_digest": "", "secrets_present": [], "secrets_absent": [], "max_attachment": 1,
    "platform": "linux/amd64", "pid": 1, "pid_started": 1.0,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _nothing_is_left(cli: Cli) -> Iterator[None]:
    yield
    cli("local", "stop", "--all")


def sparse(file: Path) -> None:
    with file.open("wb") as opened:
        opened.truncate(1 << 40)


def text(**changes: object) -> Callable[[Path], object]:
    return lambda file: file.write_text(json.dumps({**GOOD, **changes}))


BAD: dict[str, Callable[[Path], object]] = {
    "empty": lambda file: file.write_text(""),
    "cut": lambda file: file.write_text("{"),
    "a list": lambda file: file.write_text("[]"),
    "deep": lambda file: file.write_text("[" * 100_000),
    "not UTF-8": lambda file: file.write_bytes(b'{"ref": "\xff"}'),
    "without most of it": lambda file: file.write_text(f'{{"ref": "{REF}"}}'),
    "of another ref": text(ref="llm/other@1"),
    "no ref at all": text(ref="nonsense"),
    "a foreign runtime": text(runtime="podman"),
    "another machine's address": text(url="http://192.0.2.1:80"),
    "an impossible port": text(url="http://127.0.0.1:99999"),
    "without a process": text(pid=None),
    "a FIFO": os.mkfifo,
    "endless": lambda file: file.symlink_to("/dev/zero"),
    "a TiB": sparse,
}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD)
def test_a_bad_record_is_shown_as_bad_with_its_path_until_it_is_stopped(
    cli: Cli, environment: dict[str, str], make: Callable[[Path], object]
) -> None:
    file = records(environment) / f"{REF.partition('/')[2]}.process.json"
    file.parent.mkdir(parents=True)
    make(file)
    for _ in range(2):
        ran = cli("local", "status")
        assert (ran.status, ran.out.split("\t")[2]) == (0, "bad"), ran.err
        assert str(file) in ran.out
    (bad,) = cli("local", "status", "--json").document["bad_records"]
    assert bad["path"] == str(file)
    ran = cli(*RUN, "--json")
    assert error(ran) == (5, "ERR_NOT_RUNNING")
    assert str(file) in ran.document["error"]["message"]
    assert cli(*RUN, "--json", "--runtime", "embedded").status == 0
    assert cli("local", "stop", "--ref", REF).out == f"removed the bad record {file}\n"
    assert not file.is_symlink() and not file.exists()
    assert error(cli(*STOP, "--json")) == (5, "ERR_NOT_RUNNING")


def test_bad_records_keep_nobody_from_seeing_and_stopping_the_others(cli: Cli, environment: dict[str, str]) -> None:
    folder = records(environment)
    folder.mkdir(parents=True)
    (folder / "x.json").mkdir()
    os.mkfifo(folder / "litellm@1.docker.json")
    started(cli, "--name", "good")
    assert cli("local", "start", "--ref", OTHER, "--runtime", "process").status == 0
    assert [row["ref"] for row in listed(cli)] == [REF, OTHER]
    assert len(cli("local", "status", "--json").document["bad_records"]) == 2
    assert cli(*RUN, "--json").document["runtime"] == "process"
    ran = cli("local", "stop", "--all", "--json")
    assert error(ran) == (1, "ERR_OUTPUT")
    assert str(folder / "x.json") in ran.document["error"]["message"]
    assert listed(cli) == []
    (folder / "x.json").rmdir()
    assert cli("local", "stop", "--all").status == 0


def test_instances_are_listed_by_ref_runtime_and_name(cli: Cli, environment: dict[str, str]) -> None:
    folder = records(environment)
    folder.mkdir(parents=True)
    expected = [("llm/x@2", None), ("llm/x@2", "a"), ("llm/x@2", "z"), ("llm/x@10", None), ("llm/x-y@1", None)]
    for ref, name in expected:
        named = f".{name}" if name else ""
        file = folder / f"{ref.removeprefix('llm/')}.docker{named}.json"
        text(ref=ref, runtime="docker", name=name, pid=None, container="c" * 64)(file)
    assert [(row["ref"], row["name"]) for row in listed(cli)] == expected


def test_a_docker_that_makes_no_sense_keeps_nobody_from_seeing_and_stopping_the_others(
    cli: Cli, environment: dict[str, str], tmp_path: Path
) -> None:
    started(cli)
    text(runtime="docker", pid=None, container="c" * 64)(records(environment) / "litellm@1.docker.json")
    (tmp_path / "config.json").write_text("[")
    for settings in ({}, {"DOCKER_CONFIG": str(tmp_path)}):
        rows = cli("local", "status", "--json", env=settings).document["instances"]
        assert [row["state"] for row in rows] == ["unknown", "running"]
    assert cli("local", "stop", "--all", env={"DOCKER_CONFIG": str(tmp_path)}).status != 0
    assert [row["state"] for row in listed(cli)] == ["unknown"]


def test_a_start_takes_the_place_of_a_bad_record(cli: Cli, environment: dict[str, str]) -> None:
    folder = records(environment)
    folder.mkdir(parents=True)
    os.mkfifo(folder / "litellm@1.process.json")
    started(cli)
    assert cli(*RUN, "--json").document["runtime"] == "process"


def test_a_stop_leaves_what_a_start_has_put_in_the_place_of_a_bad_record(
    theoryctl: Cli, cli: Cli, environment: dict[str, str]
) -> None:
    file, other = (records(environment) / name for name in ("litellm@1.docker.json", "a@1.process.json"))
    file.parent.mkdir(parents=True)
    file.write_text("{")
    other.write_text("{")
    with ThreadPoolExecutor(1) as pool, file_lock(file.with_suffix(".lock")):
        # The other one is removed first: once it is gone, both have been read as bad ones.
        stopping = pool.submit(theoryctl, "local", "stop", "--all", "--json")
        until(lambda: not other.exists())
        text(runtime="docker", pid=None, container="c" * 64)(file)
    assert len(stopping.result().document["bad_records"]) == 1
    assert [row["container"] for row in listed(cli)] == ["c" * 64]


def endless(file: Path) -> None:
    file.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [os.mkfifo, endless, sparse], ids=["FIFO", "endless", "a TiB"])
def test_files_that_never_end_or_never_begin_are_refused(
    cli: Cli, tmp_path: Path, make: Callable[[Path], object]
) -> None:
    (tmp_path / "folder").mkdir()
    file = tmp_path / "folder/it.json"
    make(file)
    run = (*RUN, "--json", "--runtime", "embedded")
    assert error(cli(*run, "--mode", "real", "--prompt", "x", "--env-file", str(file))) == (2, "ERR_USAGE")
    assert error(cli(*run, "--script", str(file))) == (3, "ERR_SCRIPT")
    assert error(cli(*run, "--replay", str(file.parent))) == (3, "ERR_RECORDING")


def test_a_pipe_that_the_shell_hands_over_is_as_good_as_a_file(environment: dict[str, str]) -> None:
    script = f"{THEORYCTL} local run --ref {REF} --script <(sleep 0.3; echo 'rules: [{{answers: [{{text: piped}}]}}]')"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=environment, timeout=30)
    assert (done.returncode, done.stdout) == (0, "piped\n"), done.stderr


def test_a_log_that_was_removed_is_said(cli: Cli, environment: dict[str, str]) -> None:
    log = Path(started(cli)["log"])
    log.unlink()
    ran = cli("local", "logs", "--ref", REF, "--json")
    assert error(ran) == (5, "ERR_NOT_RUNNING")
    assert str(log) in ran.document["error"]["message"]
    os.mkfifo(log)
    assert error(cli("local", "logs", "--ref", REF, "--json")) == (5, "ERR_NOT_RUNNING")


@pytest.mark.parametrize("seconds", ["1e10", "1e300"])
def test_a_time_longer_than_any_is_waited_for(cli: Cli, seconds: str) -> None:
    assert cli(*START, "--wait-timeout", seconds).status == 0
    assert cli(*RUN, "--timeout", seconds).status == 0
    assert cli(*RUN, "--timeout", seconds, "--runtime", "embedded").status == 0
