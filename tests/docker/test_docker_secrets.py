"""The keys of an instance in Docker: where they go, whose they are, and that they are found nowhere else."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import REF, THEORYCTL, Cli
from tests.docker.conftest import Daemon, error
from tests.docker.netns import bridge_gateway, established, listening_in
from tests.real.server import Behaviour
from tests.real.vendor import Vendor, echoes_the_key, fails, first, hangs_up_midway, stalls_at_once, stalls_midway
from tests.waiting import until

#: Without `sk-` in front: what keeps them out of sight must not go by the looks of a key.
KEY, KEY_OF_FILE = f"canary.{secrets.token_hex(12)}", f"canary.{secrets.token_hex(12)}"
PORT = 9001
#: Of a container, its own address: not one that means this machine.
INSIDE = {"OPENAI_BASE_URL": f"http://0.0.0.0:{PORT}/v1"}
RUN = ("local", "run", "--ref", REF)
ASK = (*RUN, "--prompt", "Say hello.", "--json")


def start(cli: Cli, *flags: str, **env: str) -> str:
    """Start an instance in real mode, and return its container."""
    ran = cli("local", "start", "--ref", REF, "--mode", "real", "--json", *flags, env=env)
    assert ran.status == 0, ran.err
    return str(ran.document["container"])


def pid_of(daemon: Daemon, container: str) -> int:
    return int(daemon.inspect(container)["State"]["Pid"])


@contextmanager
def vendor_inside(daemon: Daemon, container: str, behaviour: Behaviour | None = None) -> Iterator[Vendor]:
    """A vendor that the container reaches as if it were in it."""
    with Vendor(behaviour, listening_in(pid_of(daemon, container), PORT)) as vendor:
        yield vendor


# -- where they are not --


def places(daemon: Daemon, container: str, home: Path) -> Mapping[str, Iterable[bytes]]:
    """All that others than the instance and its owner may come to see, by name."""
    seen = daemon.inspect(container)
    pids = daemon("top", container, "-eo", "pid").split()[1:]
    assert str(seen["State"]["Pid"]) in pids
    own_files = Path(os.environ["THEORYCTL_TEST_DOCKER"], "data/containers", seen["Id"])
    words: dict[str, tuple[str, ...]] = {
        "inspect": ("inspect", container),
        "image": ("image", "inspect", seen["Image"]),
        "history": ("history", "--no-trunc", "--format", "{{json .}}", seen["Image"]),
        "logs": ("logs", container),
        "diff": ("diff", container),
    }
    return {
        **{name: [daemon(*arguments, check=False).encode()] for name, arguments in words.items()},
        "export": output("docker", "export", container),
        "command lines": [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids],
        "environments": [Path(f"/proc/{pid}/environ").read_bytes() for pid in pids],
        "its tmp": contents(Path(f"/proc/{pids[0]}/root/tmp")),
        "the daemon's files": contents(own_files),
        "home": contents(home, but="/instances/llm/litellm@1.docker.json"),
    }


def output(*command: str) -> Iterator[bytes]:
    """The output of a command, in pieces: an export has hundreds of megabytes."""
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while piece := process.stdout.read(1 << 20):
            yield piece
    assert process.returncode == 0


def contents(folder: Path, but: str = "/nothing") -> list[bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and not str(path).endswith(but)]
    return [path.read_bytes() for path in files]


def found(needles: Iterable[str], pieces: Iterable[bytes]) -> set[str]:
    """Find those of these values that are in the pieces, or across two of them."""
    wanted = {needle: needle.encode() for needle in needles}
    seen, tail = set(), b""
    for piece in pieces:
        window = tail + piece
        seen |= {needle for needle, data in wanted.items() if data in window}
        tail = window[-max(map(len, wanted.values())) :]
    return seen


@pytest.fixture
def planted(daemon: Daemon, environment: dict[str, str]) -> Iterator[str]:
    """A container that tells a key wherever it can."""
    image = daemon.image(f"FROM {environment['THEORYCTL_BASE_IMAGE']}\nENV PLANTED={KEY}")
    script = f"echo {KEY} > /told; echo {KEY} > /tmp/told; cp /told /{KEY}; cat /told; sleep 600; exit"
    container = daemon("run", "--detach", "--tmpfs", "/tmp", image, "sh", "-c", script).strip()
    try:
        until(lambda: KEY in daemon("logs", container))
        yield container
    finally:
        daemon("rm", "--force", container)
        daemon("rmi", image)


def test_the_search_finds_a_key_in_each_place_where_one_is_planted(
    daemon: Daemon, planted: str, environment: dict[str, str]
) -> None:
    home = Path(environment["HOME"])
    (home / "told").write_text(f"key: {KEY}\n")
    for place, pieces in places(daemon, planted, home).items():
        assert found([KEY, KEY_OF_FILE], pieces) == {KEY}, place
    assert found([KEY], [KEY[:9].encode(), KEY[9:].encode()]) == {KEY}


def test_no_key_and_no_token_is_found_after_runs_that_succeed_and_fail(
    cli: Cli, daemon: Daemon, environment: dict[str, str], tmp_path: Path
) -> None:
    env_file = tmp_path / "keys"
    env_file.write_text(f"ANTHROPIC_API_KEY={KEY_OF_FILE}\n")
    env = {"OPENAI_API_KEY": KEY, **INSIDE}
    begun = ("local", "start", "--ref", REF, "--mode", "real", "--env-file", str(env_file))
    rans = [cli(*begun, env=env), cli(*begun, "--json", "--debug", env=env)]
    container = rans[1].document["container"]
    with vendor_inside(daemon, container, first(1, echoes_the_key(), first(2, fails(401), hangs_up_midway))) as vendor:
        rans += [cli(*ASK), cli(*ASK, "--debug"), cli(*ASK)]
        assert [ran.document["status"] for ran in rans[2:]] == ["success", "error", "error"]
        assert {request.headers["authorization"] for request in vendor.requests} == {f"Bearer {KEY}"}
    assert "[OPENAI_API_KEY]" in rans[2].out
    for command in (("status",), ("status", "--json"), *((name, "--ref", REF) for name in ("logs", "url"))):
        rans.append(cli("local", *command))
    rans.append(cli("local", "logs", "--ref", REF, "--json"))
    assert len(rans[-1].out.splitlines()) >= 3

    home = Path(environment["HOME"])
    record = home / ".local/state/theoryctl/instances/llm/litellm@1.docker.json"
    assert {path.stat().st_mode & 0o777 for path in (record, *record.parents[:4])} == {0o600, 0o700}
    token = json.loads(record.read_text())["token"]
    assert len(token) >= 32
    assert found([KEY, KEY_OF_FILE], [record.read_bytes()]) == set()
    printed = {"printed": [f"{ran.out}\n{ran.err}\n".encode() for ran in rans]}
    for place, pieces in {**places(daemon, container, home), **printed}.items():
        assert found([KEY, KEY_OF_FILE, token], pieces) == set(), place


# -- whose they are --


def test_a_real_run_asks_the_vendor_from_inside_with_the_instance_s_own_key(cli: Cli, daemon: Daemon) -> None:
    container = start(cli, OPENAI_API_KEY=KEY, **INSIDE)
    callers = {"OPENAI_API_KEY": "the-key-of-a-caller", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    with vendor_inside(daemon, container) as vendor:
        ran, streamed = cli(*ASK, env=callers), cli(*RUN, "--prompt", "Hi", "--stream", env=callers)
    assert ran.status == 0, ran.err
    envelope = ran.document
    assert (envelope["status"], envelope["mode"], envelope["runtime"]) == ("success", "real", "docker")
    assert streamed.out == "Hello there!\n"
    assert [request.headers["authorization"] for request in vendor.requests] == [f"Bearer {KEY}"] * 2
    assert "the-key-of-a-caller" not in str(vendor.requests)


def test_an_instance_without_the_key_does_not_take_the_caller_s(cli: Cli, daemon: Daemon) -> None:
    container = start(cli, **INSIDE)
    with vendor_inside(daemon, container) as vendor:
        ran = cli(*ASK, env={"OPENAI_API_KEY": KEY})
        assert vendor.requests == []
    assert error(ran) == (4, "ERR_MISSING_SECRET")
    assert "OPENAI_API_KEY" in ran.document["error"]["message"]


# -- calls that are broken off --


@pytest.mark.parametrize("stalls", [stalls_at_once, stalls_midway])
def test_a_container_killed_in_the_middle_of_a_call_is_not_running(
    theoryctl: Cli, daemon: Daemon, stalls: Behaviour
) -> None:
    container = start(theoryctl, OPENAI_API_KEY=KEY, **INSIDE)
    with vendor_inside(daemon, container, stalls) as vendor, ThreadPoolExecutor(1) as pool:
        call = pool.submit(theoryctl, *ASK)
        vendor.wait_for_request(30)
        daemon("kill", "--signal", "KILL", container)
        ran = call.result(timeout=20)
    assert error(ran) == (5, "ERR_NOT_RUNNING")
    assert ran.document["error"]["hint"] == f"theoryctl local start --ref {REF} --runtime docker --mode real"


@pytest.mark.parametrize("stalls", [stalls_at_once, stalls_midway])
def test_a_client_that_is_killed_has_its_call_to_the_vendor_hung_up(
    cli: Cli, daemon: Daemon, environment: dict[str, str], stalls: Behaviour
) -> None:
    container = start(cli, OPENAI_API_KEY=KEY, **INSIDE)
    pid = pid_of(daemon, container)
    with vendor_inside(daemon, container, first(1, stalls)) as vendor:
        with subprocess.Popen([THEORYCTL, *ASK], env=environment, stdout=subprocess.DEVNULL) as client:
            vendor.wait_for_request(30)
            assert established(pid, PORT) == 1
            client.kill()
        until(lambda: established(pid, PORT) == 0)
        assert cli(*ASK).document["status"] == "success"


# -- a vendor on this machine --


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_an_address_on_this_machine_s_loopback_leads_out_of_the_container_to_it(
    cli: Cli, daemon: Daemon, host: str
) -> None:
    listening = socket.create_server((bridge_gateway(daemon), 0))
    with Vendor(listening=listening) as vendor:
        port = listening.getsockname()[1]
        start(cli, OPENAI_API_KEY=KEY, OPENAI_BASE_URL=f"http://{host}:{port}/v1")
        ran = cli(*ASK)
        (request,) = vendor.requests
    assert ran.status == 0, ran.err
    assert ran.document["outputs"][0]["text"] == "Hello there!"
    assert request.headers["host"] == f"host.docker.internal:{port}"
    assert request.headers["authorization"] == f"Bearer {KEY}"


def test_an_instance_that_needs_nothing_of_this_machine_does_not_know_its_address(cli: Cli, daemon: Daemon) -> None:
    container = start(cli, OPENAI_API_KEY=KEY, **INSIDE)
    assert daemon.inspect(container)["HostConfig"]["ExtraHosts"] is None
