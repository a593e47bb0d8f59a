"""`theoryctl doctor` finds what is wrong, and each finding is gone once its command was run."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest

from tests.actions.faults import DOCKER, FAULTS, KEY, STATE, Fault
from tests.conftest import REF, THEORYCTL, Cli
from tests.waiting import until


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Manifests that were checked once for all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def healthy(environment: dict[str, str], cache: Path) -> dict[str, str]:
    """An environment in which nothing is wrong, but perhaps with Docker."""
    for name in ("DOCKER_HOST", "PYTHONDONTWRITEBYTECODE", "MODAL_CONFIG_PATH"):
        environment.pop(name, None)
    path = f"{THEORYCTL.parent}:{environment['PATH']}"
    environment.update({"GIT_BRANCH": "main", "GIT_USER": "alice", "PATH": path, "XDG_CACHE_HOME": str(cache)})
    return environment


def doctor(cli: Cli, env: Mapping[str, str], *flags: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit status, and the findings."""
    ran = cli("doctor", *flags, "--json", env=env)
    assert KEY not in ran.out + ran.err
    return ran.status, ran.document["findings"]


def after(command: str, env: Mapping[str, str], folder: Path, typed: str = "") -> dict[str, str]:
    """The environment of a shell that has run a command."""
    script = f"{{ {command}\n}} >&2 && env -0"
    done = subprocess.run(
        ["bash", "-c", script], env=env, cwd=folder, input=f"{typed}\n".encode(), capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()
    return dict(pair.split("=", 1) for pair in done.stdout.decode().split("\0") if pair)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_found_and_gone_after_the_command_of_its_finding(
    fault: Fault, healthy: dict[str, str], cli: Cli, working_folder: Path
) -> None:
    home = Path(healthy["HOME"])
    _, before = doctor(cli, {})
    for name, text in fault.files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        (home / name).write_text(text)
        (home / name).chmod(0o600 if name != DOCKER or "open" not in fault.name else 0o644)
    fault.make(home)
    seeded = {name: value.replace("HOME", str(home)) for name, value in fault.env.items()}
    status, found = doctor(cli, seeded)
    (finding,) = [each for each in found if each not in before]
    assert (finding["code"], fault.what in finding["what"]) == (fault.code, True), finding
    assert (status > 0) == any(each["code"] for each in found)
    ended = after(finding["command"], {**healthy, **seeded}, working_folder, fault.typed)
    healthy.clear()
    assert doctor(cli, ended)[1] == before


def test_at_least_twenty_faults_are_seeded() -> None:
    assert len({fault.name for fault in FAULTS}) >= 20


def test_where_nothing_is_wrong_the_exit_status_is_that_of_success(healthy: dict[str, str], cli: Cli) -> None:
    status, found = doctor(cli, {})
    assert [each for each in found if each["part"] != "docker"] == []
    assert status in (0, 5)


def test_the_extras_that_are_installed_are_named(healthy: dict[str, str], cli: Cli) -> None:
    python = cli("doctor", "--json", env=healthy).document["parts"][0]["summary"]
    assert python == f"{platform.python_version()} at {sys.executable}, extras image, modal, real, report"


def test_a_shell_that_was_led_to_an_endpoint_on_modal_has_nothing_wrong(healthy: dict[str, str], cli: Cli) -> None:
    url = "https://acme--llm-server.us-east.modal.direct"
    led = {"OPENAI_API_KEY": "theoryctl-abc", "OPENAI_BASE_URL": f"{url}/v1", "THEORYCTL_URL": url}
    assert doctor(cli, led)[1] == doctor(cli, {})[1]


def test_a_shell_whose_instance_is_gone_has_one_finding_whose_command_ends_all_of_it(
    healthy: dict[str, str], cli: Cli, working_folder: Path
) -> None:
    assert cli("local", "start", "--ref", REF, "--runtime", "process").status == 0
    led = cli("local", "env", "--json").document["variables"]
    assert cli("local", "stop", "--all").status == 0
    _, before = doctor(cli, {})
    (finding,) = [each for each in doctor(cli, led, "--online")[1] if each not in before]
    assert (finding["code"], finding["command"]) == ("ERR_TOKEN", 'eval "$(theoryctl local env --unset)"')
    assert not led.keys() & after(finding["command"], {**healthy, **led}, working_folder).keys()


def test_the_exit_status_is_that_of_the_gravest_finding(healthy: dict[str, str], cli: Cli) -> None:
    healthy["DOCKER_HOST"] = "unix:///nowhere.sock"
    assert cli("doctor", env={"OPENAI_API_KEY": " "}).status == 5
    advised = cli("doctor", env={"PYTHONDONTWRITEBYTECODE": "1"})
    assert "advice: PYTHONDONTWRITEBYTECODE is set\n  why: every start" in advised.out
    assert " 0 " not in f" {advised.err.splitlines()[-1]} "
    assert "\n  run: unset PYTHONDONTWRITEBYTECODE\n" in advised.out


def test_instances_that_died_and_records_that_others_may_read_are_found(
    healthy: dict[str, str], cli: Cli, working_folder: Path
) -> None:
    started = cli("local", "start", "--ref", REF, "--runtime", "process", "--json").document
    (record,) = (Path(healthy["HOME"]) / STATE).glob("instances/*/*.json")
    record.chmod(0o644)
    _, before = doctor(cli, {})
    (readable,) = [each for each in before if each["part"] == "folders"]
    after(readable["command"], healthy, working_folder)
    assert (record.stat().st_mode & 0o777, [each for each in doctor(cli, {})[1] if each["part"] == "folders"]) == (
        0o600,
        [],
    )
    os.kill(started["pid"], signal.SIGKILL)
    (dead,) = [each for each in doctor(cli, {})[1] if each["part"] == "instances"]
    assert (dead["code"], "has died" in dead["what"]) == ("ERR_NOT_RUNNING", True)
    assert record.exists()
    after(dead["command"], healthy, working_folder)
    assert [each for each in doctor(cli, {})[1] if each["part"] == "instances"] == []


class InThePast(BaseHTTPRequestHandler):
    """Refuses everything, and says an old time."""

    seen: ClassVar[list[str]] = []

    def do_HEAD(self) -> None:
        self.seen.append(str(self.headers))
        self.send_response_only(401)
        self.send_header("Date", "Sat, 01 Jan 2000 00:00:00 GMT")
        self.end_headers()


def test_online_an_address_where_nobody_answers_and_a_wrong_clock_are_found(healthy: dict[str, str], cli: Cli) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), InThePast) as vendor:
        Thread(target=vendor.serve_forever, daemon=True).start()
        keys = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"http://127.0.0.1:{vendor.server_port}/v1"}
        keys["GROQ_API_BASE"] = "http://127.0.0.1:9/openai/v1"
        _, offline = doctor(cli, keys)
        assert InThePast.seen == []
        _, found = doctor(cli, keys, "--online")
        vendor.shutdown()
    unreachable, clock = [each for each in found if each not in offline]
    assert (unreachable["code"], unreachable["command"]) == ("ERR_UNREACHABLE", "unset GROQ_API_BASE")
    assert "minutes off" in clock["what"]
    assert len(InThePast.seen) == 1 and KEY not in InThePast.seen[0]


def test_ctrl_c_waits_for_no_vendor_that_is_asked(healthy: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as vendor:
        address = f"http://127.0.0.1:{vendor.getsockname()[1]}/v1"
        env = {**healthy, "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": address}
        asking = subprocess.Popen([THEORYCTL, "doctor", "--online"], env=env, stderr=subprocess.PIPE)
        connection, _ = vendor.accept()
        with asking, connection:
            asking.send_signal(signal.SIGINT)
            with suppress(OSError):  # it has gone
                until(lambda: asking.poll() is not None or not connection.send(b"x"))  # never silent, and never done
            _, err = asking.communicate(timeout=60)
    assert (asking.returncode, b"ERR_INTERRUPTED" in err) == (130, True)


class Daemon(BaseHTTPRequestHandler):
    """A Docker daemon of another platform, whose kernel keeps no limit of memory. It answers no more than that."""

    def do_GET(self) -> None:
        said: dict[str, Any] = {
            "Version": "29.0",
            "ApiVersion": "1.44",
            "Os": "linux",
            "Arch": "s390x",
            "MemoryLimit": False,
        }
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Api-Version", said["ApiVersion"])  # as moby's api/server/router/system has it
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def test_a_daemon_of_another_platform_and_one_that_keeps_no_limits_are_found(healthy: dict[str, str], cli: Cli) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Daemon) as daemon:
        Thread(target=daemon.serve_forever, daemon=True).start()
        status, found = doctor(cli, {"DOCKER_HOST": f"tcp://127.0.0.1:{daemon.server_port}"})
        daemon.shutdown()
    platform, limits = [each for each in found if each["part"] == "docker"]
    assert "runs linux/s390x" in platform["what"] and platform["command"] == "unset DOCKER_HOST"
    assert limits["what"] == "the daemon cannot limit memory"
    assert (status, platform["code"], limits["code"]) == (0, None, None)


@pytest.fixture
def machine(healthy: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Another Python with everything that this one has, but for packages that are missing, compromised and too old;
    and a folder with good ones, where its pip finds them."""
    ours = Path(sys.prefix) / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    theirs = tmp_path / "venv" / ours.relative_to(sys.prefix)
    for entry in ours.iterdir():
        if not entry.name.startswith(("litellm", "mcp", "tenacity-", "pip-")):
            (theirs / entry.name).symlink_to(entry)
    unpack(theirs, "litellm", "1.82.7")
    unpack(theirs, "tenacity", "8.0")
    unpack(theirs, "pip", "23.2.1")
    for name, version in (("litellm", "1.110.2"), ("mcp", "1.20"), ("tenacity", "9.0"), ("pip", "24.0")):
        unpack(tmp_path / name, name, version)
        shutil.make_archive(str(tmp_path / name), "zip", tmp_path / name)
        (tmp_path / f"{name}.zip").rename(tmp_path / f"{name}-{version}-py3-none-any.whl")
    env = {**healthy, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}

    def run(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["bash", "-c", command], env=env, cwd=tmp_path, capture_output=True, text=True)

    yield run


def unpack(folder: Path, name: str, version: str) -> None:
    """Put the metadata of a package, which has nothing else, into a folder."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "WHEEL").write_text("Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    (info / "RECORD").write_text("".join(f"{info.name}/{file},,\n" for file in ("METADATA", "WHEEL", "RECORD")))


def test_packages_that_are_missing_compromised_or_too_old_are_found_and_mended(
    machine: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    def packages() -> list[dict[str, Any]]:
        ran = machine("venv/bin/python -m theoryctl doctor --json")
        return [each for each in json.loads(ran.stdout)["findings"] if each["part"] == "python"]

    found = packages()
    assert sorted((each["what"], each["severity"]) for each in found) == [
        ("expected pip>=24, got 23.2.1", "advice"),
        ("expected tenacity>=9, got 8.0", "error"),
        ("litellm 1.82.7 is a compromised release", "error"),
        ("the extra real is not installed, or not all of it: mcp", "advice"),
    ]
    done = machine(" && ".join(each["command"] for each in found))
    assert done.returncode == 0, done.stderr
    assert packages() == []


def test_an_offline_examination_takes_less_than_half_a_second_of_cpu(healthy: dict[str, str], theoryctl: Cli) -> None:
    """Of the processor's time, for the clock of a machine that runs other tests says little."""

    def seconds() -> float:
        before = os.times()
        theoryctl("doctor")
        now = os.times()
        return now.children_user + now.children_system - before.children_user - before.children_system

    assert min(seconds() for _ in range(3)) < 0.5
