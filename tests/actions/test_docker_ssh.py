"""A Docker daemon that is reached through ssh, by which is meant whatever program of that name is on the PATH."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.actions.running import error
from tests.conftest import REF, Cli
from tests.waiting import until
from theoryctl.docker.ssh import FORM, command_of, tunnels

BUILD = ("image", "build", "--ref", REF, "--json")
FAR = {"DOCKER_HOST": "ssh://me@far"}
#: Answers as a daemon does to a greeting, and ends without a word at other requests.
GREETS = r"""read -r asked; while read -r line && [ "${#line}" -gt 1 ]; do :; done
case $asked in
  *_ping*) printf 'HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\n\r\nOK' ;;
esac"""


def ssh(folder: Path, does: str) -> dict[str, str]:
    """Put an `ssh` on the PATH, alone, and return the variables with which it is used."""
    program = folder / "bin/ssh"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(0o755)
    return {**FAR, "PATH": str(program.parent)}


@pytest.mark.parametrize(
    ("before", "failure"),
    [("", "Docker does not answer at"), (GREETS, "Docker closed the connection, at")],
    ids=["at once", "after the greeting"],
)
@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("echo 'me@far: Permission denied (publickey).' >&2; exit 255", "me@far: Permission denied (publickey)."),
        ("echo 'sh: 1: docker: not found' >&2; exit 127", "sh: 1: docker: not found"),
        ("exit 1", "ssh ended with status 1"),
    ],
)
def test_why_ssh_fails_is_told_in_its_own_words(
    cli: Cli, tmp_path: Path, before: str, failure: str, does: str, said: str
) -> None:
    ran = cli(*BUILD, env=ssh(tmp_path, f"{before}\n{does}"))
    assert error(ran) == (5, "ERR_DOCKER")
    assert ran.document["error"]["hint"] == "unset DOCKER_HOST"
    assert ran.document["error"]["message"] == f"{failure} ssh://me@far (DOCKER_HOST): {said}"


def test_a_daemon_that_goes_away_behind_ssh_is_an_error_of_docker(cli: Cli, tmp_path: Path) -> None:
    ran = cli(*BUILD, env=ssh(tmp_path, f"echo 'Warning: a key was added' >&2\n{GREETS}"))
    assert error(ran) == (5, "ERR_DOCKER")
    assert "Docker closed the connection, at ssh://me@far (DOCKER_HOST): " in ran.document["error"]["message"]
    assert "Warning" not in ran.document["error"]["message"]


def test_a_machine_without_ssh_is_told_which_package_has_it(cli: Cli, tmp_path: Path) -> None:
    ran = cli(*BUILD, env={**FAR, "PATH": str(tmp_path)})
    assert error(ran) == (5, "ERR_DOCKER")
    assert "apt-get install openssh-client" in ran.document["error"]["hint"]


@pytest.mark.parametrize(
    ("address", "got"),
    [
        ("ssh://me:hunter2@far", "one with a password"),
        ("ssh://me:hunter2@far:99999", "'ssh://***@far:99999'"),
        ("ssh://me:hunter2@[::1", "'ssh://***@[::1'"),
        ("ssh://me:hunter2/3@far", "'ssh://***@far'"),
    ],
)
def test_a_password_in_an_address_is_refused_and_not_repeated(cli: Cli, address: str, got: str) -> None:
    ran = cli(*BUILD, env={"DOCKER_HOST": address})
    assert error(ran) == (5, "ERR_DOCKER")
    assert ran.document["error"]["message"].endswith(f", got {got}")
    assert "hunter2" not in ran.out + ran.err


@pytest.mark.parametrize(
    "address",
    [
        *("ssh://", "ssh:///path", "ssh://far?x=1", "ssh://far#x"),
        *("ssh://far:99999", "ssh://me@far:x", "ssh://far:-1", "ssh://[::1"),
    ],
)
def test_an_address_that_names_no_host_to_ssh_is_refused(cli: Cli, address: str) -> None:
    ran = cli(*BUILD, env={"DOCKER_HOST": address})
    assert error(ran) == (5, "ERR_DOCKER")
    assert ran.document["error"]["message"] == f"DOCKER_HOST: expected {FORM}, got {address!r}"
    assert ran.document["error"]["hint"] == "unset DOCKER_HOST"


def test_a_host_stays_as_it_is_written_and_is_no_option() -> None:
    assert command_of("ssh://Build-Box")[-2:] == ("Build-Box", "docker system dial-stdio")
    assert command_of("ssh://[::1]:22")[-5:-1] == ("-p", "22", "--", "::1")
    assert command_of("ssh://-oProxyCommand=x")[-3:-1] == ("--", "-oProxyCommand=x")


#: Begins a process as a ProxyCommand is one, and writes down its number.
BEGINS = """PATH=/usr/bin:/bin
sleep 60 </dev/null >/dev/null 2>&1 &
echo $! > "${0%/*}/begun.new" && mv "${0%/*}/begun.new" "${0%/*}/begun"
"""


def begun(folder: Path) -> bool:
    """Return whether the process that `BEGINS` began has been begun and lives."""
    file = folder / "bin/begun"
    with suppress(psutil.NoSuchProcess):
        return file.exists() and psutil.Process(int(file.read_text())).status() != psutil.STATUS_ZOMBIE
    return False


def test_ctrl_c_ends_an_ssh_that_is_still_connecting_and_what_it_began(
    environment: dict[str, str], working_folder: Path, tmp_path: Path
) -> None:
    env = {**environment, **ssh(tmp_path, f"{BEGINS}wait")}
    with subprocess.Popen([sys.executable, "-m", "theoryctl", *BUILD], env=env, cwd=working_folder) as building:
        until(lambda: begun(tmp_path))
        building.send_signal(signal.SIGINT)
    assert building.returncode == 130
    until(lambda: not begun(tmp_path))


def test_an_ssh_that_ignores_being_asked_to_end_is_killed_with_what_it_began(tmp_path: Path) -> None:
    ssh(tmp_path, f"trap '' TERM\n{BEGINS}wait")
    with tunnels((str(tmp_path / "bin/ssh"),)) as opened, opened.open(1):
        until(lambda: begun(tmp_path))
    until(lambda: not begun(tmp_path))
