"""Folders of state and cache that another user could have written to, or that cannot be written to."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import REF, THEORYCTL, Cli
from theoryctl.paths import file_lock, write_hint

RUN = ("local", "run", "--ref", REF, "--mode", "mock", "--json")


def writable(folder: Path) -> None:
    folder.chmod(0o777)


def of_another_user(folder: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can give a folder away")
    os.chown(folder, 65534, -1)


SPOILT = pytest.mark.parametrize("spoil", [writable, of_another_user])


@SPOILT
@pytest.mark.parametrize("command", [RUN, ("local", "status", "--json"), ("local", "stop", "--all", "--json")])
def test_a_state_folder_that_others_can_write_to_is_refused(
    cli: Cli, tmp_path: Path, command: tuple[str, ...], spoil: Callable[[Path], None]
) -> None:
    folder = tmp_path / "state it's"
    folder.mkdir(0o700)
    spoil(folder)
    refused = cli(*command, env={"THEORYCTL_STATE_DIR": str(folder)})
    error = refused.document["error"]
    assert (refused.status, error["code"]) == (2, "ERR_USAGE")
    assert str(folder) in error["message"]
    if spoil is of_another_user:
        assert error["hint"] == "set THEORYCTL_STATE_DIR to a folder of your own"
    else:
        subprocess.run(error["hint"], shell=True, check=True)
        assert cli(*command, env={"THEORYCTL_STATE_DIR": str(folder)}).status == 0


def test_a_device_for_a_state_folder_is_refused_and_its_mode_is_left_alone(cli: Cli) -> None:
    error = cli("local", "status", "--json", env={"THEORYCTL_STATE_DIR": os.devnull}).document["error"]
    assert (error["code"], error["hint"]) == ("ERR_USAGE", "set THEORYCTL_STATE_DIR to a folder of your own")
    assert error["message"].endswith("got a file or a device")


@SPOILT
def test_a_cache_that_others_can_write_to_is_not_used(cli: Cli, tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    folder = tmp_path / "cache"
    folder.mkdir(0o700)
    spoil(folder)
    assert cli(*RUN, env={"THEORYCTL_CACHE_DIR": str(folder)}).status == 0
    assert list(folder.iterdir()) == []


@SPOILT
def test_a_cache_entry_that_another_user_could_have_written_is_not_believed(
    cli: Cli, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    env = {"THEORYCTL_CACHE_DIR": str(tmp_path / "cache")}
    assert cli(*RUN, env=env).status == 0
    (entry,) = (tmp_path / "cache/manifests").iterdir()
    believed = entry.stat().st_ino
    assert (cli(*RUN, env=env).status, entry.stat().st_ino) == (0, believed)
    spoil(entry)
    assert cli(*RUN, env=env).status == 0
    assert entry.stat().st_ino != believed, "written anew"


def test_a_home_that_cannot_be_written_to_is_left_by_one_command(cli: Cli) -> None:
    # Nobody can make a folder there, not even root.
    ran = cli("local", "start", "--runtime", "process", "--json", env={"HOME": "/sys"})
    error = ran.document["error"]
    assert (error["code"], error["hint"]) == ("ERR_START", 'export THEORYCTL_STATE_DIR="$(mktemp -d)"')
    assert cli("local", "run", "hi", env={"HOME": "/sys"}).status == 0


def test_a_disk_that_is_full_is_another_matter() -> None:
    assert write_hint(OSError(errno.ENOSPC, "No space left"), "THEORYCTL_CACHE_DIR").startswith("free some space")


HOLDS = """
import pathlib, sys, time
from theoryctl.paths import file_lock
with file_lock(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_is_held_against_others_until_its_process_ends_however_it_does(tmp_path: Path) -> None:
    file = tmp_path / "folder/x.lock"
    with subprocess.Popen([sys.executable, "-c", HOLDS, file], stdout=subprocess.PIPE) as holder:
        assert holder.stdout and holder.stdout.readline() == b"held\n"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        for seconds in (0, 0.1):
            with pytest.raises(TimeoutError), file_lock(file, seconds=seconds):
                pass
        holder.kill()
    with file_lock(file, seconds=0), pytest.raises(TimeoutError), file_lock(file, seconds=0):
        pass  # nor is it given twice to one process
    with file_lock(file):
        pass


def test_a_working_folder_that_was_removed_is_told_where_one_is_needed(
    environment: dict[str, str], tmp_path: Path
) -> None:
    def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "gone").mkdir()
        script = 'rmdir "$PWD" && exec "$@"'
        return subprocess.run(
            ["sh", "-c", script, "sh", THEORYCTL, *arguments],
            cwd=tmp_path / "gone",
            env=environment,
            capture_output=True,
            text=True,
        )

    told = ran("local", "run", "--ref", REF, "--json")
    assert told.returncode == 2, told.stderr
    assert json.loads(told.stdout)["error"]["message"] == "the working folder was removed"
    assert ran("local", "stop", "--all").returncode == 0
