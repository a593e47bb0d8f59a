"""Children of a provider end with its server, and no process is taken for a server that is none of ours."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.actions.running import START, STOP, change, error, listed, record, serve_with, servers, started
from tests.conftest import THEORYCTL, Cli
from tests.waiting import until

REF = "llm/litellm@1"

#: A provider that starts programs in its own ways, and writes down their pids.
KEEPING = """
import os, subprocess, time
from theoryctl_providers import Delta, Finish, LLMProvider

WAYS = {
    "plain": {},
    "in a session of its own": {"start_new_session": True},
    "in another environment": {"env": {"PATH": os.environ["PATH"]}},
    "in a session and an environment of its own": {"start_new_session": True, "env": {"PATH": os.environ["PATH"]}},
}


class Keeping(LLMProvider):
    default_model = "keeping/this"

    def prepare(self, mode):
        with open(os.environ["CHILDREN"], "w") as file:
            for name, options in WAYS.items():
                print(subprocess.Popen(["sleep", "300"], **options).pid, name, file=file)
            if (child := os.fork()) == 0:
                os.setsid()
                time.sleep(300)
            print(child, "forked", file=file)

    async def stream(self, request):
        yield Delta(text="x")
        yield Finish()
"""


@pytest.fixture(autouse=True)
def _nothing_is_left(cli: Cli, children: Path) -> Iterator[None]:
    yield
    cli("local", "stop", "--all")
    for pid in living(children):
        os.kill(pid, 9)


@pytest.fixture
def children(environment: dict[str, str], tmp_path: Path) -> Path:
    """Have the ref served by a provider that starts programs, and return the file with their pids."""
    serve_with("keeping:Keeping", KEEPING, tmp_path, environment)
    environment["CHILDREN"] = str(tmp_path / "children")
    return tmp_path / "children"


def living(children: Path) -> dict[int, str]:
    """The programs that run, each with the way in which it was started."""
    found = {}
    for line in children.read_text().splitlines() if children.exists() else ():
        pid, _, way = line.partition(" ")
        with suppress(psutil.NoSuchProcess):
            if psutil.Process(int(pid)).status() != psutil.STATUS_ZOMBIE:  # which stay where process 1 reaps nobody
                found[int(pid)] = way
    return found


def test_whatever_way_a_provider_starts_programs_they_end_with_its_instance(cli: Cli, children: Path) -> None:
    instance = started(cli)
    assert len(living(children)) == 5
    assert [row["pid"] for row in listed(cli)] == [instance["pid"]]
    assert cli(*STOP).out == f"stopped {REF} (process)\n"
    assert living(children) == {}


def test_what_a_killed_server_has_started_ends_as_far_as_it_can_be_told(cli: Cli, children: Path) -> None:
    server = psutil.Process(started(cli)["pid"])
    server.kill()
    until(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)
    assert cli(*STOP).status == 0
    # It has nothing that says whose it was.
    assert list(living(children).values()) == ["in a session and an environment of its own"]
    assert listed(cli) == []


def test_what_a_provider_has_started_ends_with_a_start_that_fails(cli: Cli, children: Path, tmp_path: Path) -> None:
    # Behind the preparation a server looks for uvicorn's settings.
    (tmp_path / "keeping.py").write_text(f"{KEEPING}\nimport uvicorn\ndel uvicorn.Config\n")
    failed = cli(*START, "--json")
    assert error(failed) == (5, "ERR_START")
    assert "the server exited with status 1 while starting" in failed.document["error"]["message"]
    assert list(living(children).values()) == ["in a session and an environment of its own"]
    assert listed(cli) == []


@pytest.mark.parametrize("fails", [False, True])
def test_of_two_that_a_start_exchanges_the_programs_of_the_one_that_goes_end(
    cli: Cli, children: Path, environment: dict[str, str], tmp_path: Path, fails: bool
) -> None:
    started(cli)
    change(record(environment), token="x" * 64)  # so that it counts as one that does not answer
    others = tmp_path / "others"
    if fails:
        (tmp_path / "keeping.py").write_text(f"{KEEPING}\nimport uvicorn\ndel uvicorn.Config\n")
    ran = cli(*START, "--json", env={"CHILDREN": str(others)})
    assert ran.status == (5 if fails else 0), ran.err
    gone, stays = (others, children) if fails else (children, others)
    try:
        # A server that died by itself leaves one behind that has nothing that says whose it was.
        assert set(living(gone).values()) <= {"in a session and an environment of its own"}
        assert len(living(stays)) == 5
        assert cli(*STOP).status == 0
        assert living(stays) == {}
    finally:
        for pid in living(others):
            os.kill(pid, 9)


def test_a_program_of_a_server_that_has_lost_its_record_is_no_second_instance(
    cli: Cli, children: Path, environment: dict[str, str]
) -> None:
    instance = started(cli)
    record(environment).unlink()
    assert [row["pid"] for row in listed(cli)] == [instance["pid"]]
    assert cli("local", "stop", "--all").out == f"stopped {REF} (process)\n"
    assert living(children) == {}


def test_what_was_started_by_another_path_of_the_state_folder_ends_too(
    cli: Cli, children: Path, tmp_path: Path
) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("state")
    started(cli, env={"THEORYCTL_STATE_DIR": str(tmp_path / "link")})
    there = {"THEORYCTL_STATE_DIR": str(tmp_path / "state")}
    assert cli("local", "stop", "--all", env=there).out == f"stopped {REF} (process)\n"
    assert living(children) == {}


#: A start in namespaces of its own, where the path of the state folder is another folder; it ends with its input.
CONTAINED = f"""
mount -t tmpfs none "$HOME/.local/state" && {THEORYCTL} {" ".join(START)} --json && read -r _
"""


def _contains() -> bool:
    if sys.platform != "linux":
        return False
    tried = ["unshare", "-m", "-p", "-f", "--mount-proc", "mount", "-t", "tmpfs", "none", "/mnt"]
    with suppress(OSError):
        return subprocess.run(tried, check=False, capture_output=True).returncode == 0
    return False


@pytest.mark.skipif(not _contains(), reason="no namespaces can be made here")
def test_a_server_in_a_container_with_the_same_path_of_state_is_left_alone(
    cli: Cli, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "work/manifests").rename(tmp_path / "unused")
    Path(environment["HOME"], ".local/state").mkdir(parents=True, exist_ok=True)
    unshared = ["unshare", "-m", "-p", "-f", "--kill-child", "--mount-proc", "sh", "-c", CONTAINED]
    with subprocess.Popen(unshared, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as container:
        assert container.stdout is not None and b'"url"' in container.stdout.readline()
        (inside,) = servers(environment)
        assert listed(cli) == []
        started(cli)
        cli("local", "stop", "--all")
        assert servers(environment) == {inside}
        container.communicate(b"\n")
    until(lambda: not servers(environment))
