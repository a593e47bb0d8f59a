"""A container may do nothing but serve: as the daemon tells it, and as it is felt from inside."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.command import call
from tests.conftest import REF, Cli, clean
from tests.docker.conftest import Daemon
from tests.docker.netns import bridge_gateway

MOCK = "llm/mock@1"
MIB = 1 << 20
IMPORTS = "import errno, json, os, pathlib, shutil, socket, subprocess, sys, time"


def start(cli: Cli, ref: str = REF) -> dict[str, Any]:
    ran = cli("local", "start", "--ref", ref, "--json")
    assert ran.status == 0, ran.err
    return ran.document


@pytest.fixture(scope="module")
def instance(docker: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A started instance of REF, for tests that leave it as it was."""
    home = tmp_path_factory.mktemp("home")
    environment = {**clean(), **docker, "HOME": str(home)}
    started = call(("local", "start", "--ref", REF, "--json"), environment, home)
    assert started.status == 0, started.err
    yield started.document
    assert call(("local", "stop", "--all"), environment, home).status == 0


def inside(daemon: Daemon, instance: dict[str, Any], script: str, *arguments: str) -> Any:
    """Run a Python script in the container, and return its `result`, which it is to set."""
    whole = f"{IMPORTS}\n{script}\nprint(json.dumps(result))"
    return json.loads(daemon("exec", instance["container"], "python3", "-c", whole, *arguments))


# -- as the daemon tells it --


def test_a_container_is_given_no_power_and_nothing_of_the_host(daemon: Daemon, instance: dict[str, Any]) -> None:
    seen = daemon.inspect(instance["container"])
    host = seen["HostConfig"]
    assert seen["Config"]["User"] == "65534:65534"
    assert (host["ReadonlyRootfs"], host["Privileged"]) == (True, False)
    assert (host["CapDrop"], host["CapAdd"]) == (["ALL"], None)
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert (seen["Mounts"], host["Binds"], host["Devices"], host["VolumesFrom"]) == ([], None, None, None)
    assert list(host["Tmpfs"]) == ["/tmp"]
    assert {"rw", "noexec", "nosuid", "nodev"} <= set(host["Tmpfs"]["/tmp"].split(","))
    assert {host["PidMode"], host["UTSMode"], host["UsernsMode"]} == {""}
    assert host["IpcMode"] != "host"


@pytest.mark.parametrize(("ref", "cpu", "memory", "pids"), [(REF, 1, 1024, 256), (MOCK, 0.25, 256, 256)])
def test_a_container_has_the_resources_of_its_manifest_and_no_swap(
    cli: Cli, daemon: Daemon, ref: str, cpu: float, memory: int, pids: int
) -> None:
    host = daemon.inspect(start(cli, ref)["container"])["HostConfig"]
    assert (host["NanoCpus"], host["PidsLimit"]) == (cpu * 1e9, pids)
    assert (host["Memory"], host["MemorySwap"]) == (memory * MIB, memory * MIB)
    assert host["OomKillDisable"] is not True


def test_a_container_has_an_init_bounded_logs_and_is_never_restarted(daemon: Daemon, instance: dict[str, Any]) -> None:
    host = daemon.inspect(instance["container"])["HostConfig"]
    assert host["Init"] is True
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}
    assert (host["RestartPolicy"]["Name"] or "no", host["AutoRemove"]) == ("no", False)


def test_a_container_says_whose_it_is(cli: Cli, daemon: Daemon, environment: dict[str, str]) -> None:
    instances = [start(cli), start(cli, MOCK)]
    labels = [daemon.inspect(instance["container"])["Config"]["Labels"] for instance in instances]
    with open(f"{environment['HOME']}/.local/state/theoryctl/id") as file:
        state = file.read().strip()
    for instance, found in zip(instances, labels, strict=True):
        assert found["dev.theoryctl.ref"] == instance["ref"]
        assert found["dev.theoryctl.digest"] == instance["digest"]
        assert found["dev.theoryctl.state"] == state
    assert len({found["dev.theoryctl.instance"] for found in labels}) == 2


def test_a_container_is_published_on_loopback_alone_and_its_network_keeps_containers_apart(
    daemon: Daemon, instance: dict[str, Any]
) -> None:
    seen = daemon.inspect(instance["container"])
    assert seen["NetworkSettings"]["Ports"] == {
        "8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(urlsplit(instance["url"]).port)}]
    }
    assert (seen["HostConfig"]["PublishAllPorts"], seen["HostConfig"]["ExtraHosts"]) == (False, None)
    (network,) = seen["NetworkSettings"]["Networks"]
    (found,) = json.loads(daemon("network", "inspect", network))
    assert found["Options"]["com.docker.network.bridge.enable_icc"] == "false"
    assert found["Driver"] == "bridge"


# -- as it is felt from inside --

STATUS = """\
names = ("Uid", "Gid", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")
result = {}
for process in pathlib.Path("/proc").glob("[0-9]*"):
    lines = (line.split(":") for line in (process / "status").read_text().splitlines())
    command = (process / "cmdline").read_text().split("\\0")[0]
    result[command] = {name: value.split() for name, value in lines if name in names}
"""


def test_every_process_is_nobody_and_may_become_nobody_else(daemon: Daemon, instance: dict[str, Any]) -> None:
    processes = inside(daemon, instance, STATUS)
    assert {"/sbin/docker-init", "python3"} <= set(processes)
    for found in processes.values():
        assert found.pop("Uid") == found.pop("Gid") == ["65534"] * 4
        assert (found.pop("NoNewPrivs"), found.pop("Seccomp")) == (["1"], ["2"])
        assert {name: int(value, 16) for name, (value,) in found.items()} == dict.fromkeys(found, 0)
        assert len(found) == 5


WRITE = """\
result = {}
for name in sys.argv[1:]:
    try:
        pathlib.Path(name, "planted").write_text("x")
        result[name] = "written"
    except OSError as error:
        result[name] = errno.errorcode[error.errno]
"""


def test_nothing_can_be_written_but_tmp(daemon: Daemon, instance: dict[str, Any]) -> None:
    read_only = ["/", "/opt", "/opt/theoryctl/code/theoryctl_providers", "/etc", "/usr/bin", "/run"]
    written = inside(daemon, instance, WRITE, *read_only, "/tmp")
    assert written == {**dict.fromkeys(read_only, "EROFS"), "/tmp": "written"}


EXECUTE = """\
writable = [folder for folder, *_ in os.walk("/") if os.access(folder, os.W_OK) and folder[:5] != "/proc"]
result = {"/usr/bin": subprocess.run(["/usr/bin/sleep", "0"]).returncode}
for folder in writable:
    copy = pathlib.Path(folder, "copy")
    try:
        copy.write_bytes(pathlib.Path("/usr/bin/sleep").read_bytes())
    except OSError as error:
        result[folder] = "no place for files"
        continue
    copy.chmod(0o755)
    try:
        result[folder] = subprocess.run([copy, "0"]).returncode
    except OSError as error:
        result[folder] = errno.errorcode[error.errno]
"""


def test_nothing_that_can_be_written_can_be_executed(daemon: Daemon, instance: dict[str, Any]) -> None:
    executed = inside(daemon, instance, EXECUTE)
    # Besides /tmp, Docker's own: POSIX shared memory and message queues.
    assert executed == {"/usr/bin": 0, "/tmp": "EACCES", "/dev/shm": "EACCES", "/dev/mqueue": "no place for files"}


FORK = """\
children = []
try:
    while len(children) < 400:
        child = os.fork()
        if not child:
            time.sleep(60)
            os._exit(0)
        children.append(child)
except BlockingIOError:
    pass
for child in children:
    os.kill(child, 9)
result = len(children)
"""


def test_too_many_processes_are_refused_and_it_serves_on(cli: Cli, daemon: Daemon) -> None:
    instance = start(cli)
    assert 150 < inside(daemon, instance, FORK) < 256
    assert answer(instance["url"]) == 200


def test_too_much_memory_costs_the_taker_its_life_and_it_serves_on(cli: Cli, daemon: Daemon) -> None:
    instance = start(cli, MOCK)

    def take(mebibytes: int) -> str:
        script = f"taken = b'x' * ({mebibytes} << 20)\nprint('had it')"
        return daemon("exec", instance["container"], "python3", "-c", script, check=False)

    assert "had it" in take(100)
    assert "had it" not in take(300)
    assert answer(instance["url"]) == 200


# -- who reaches whom --

CONNECT = """\
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), 1.5):
        result = "connected"
except TimeoutError:
    result = "ETIMEDOUT"
except OSError as error:
    result = errno.errorcode[error.errno]
"""


def answer(url: str) -> int:
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)) as connection:
        connection.request("GET", "/healthz")
        return connection.getresponse().status


def address(daemon: Daemon, instance: dict[str, Any], network: str) -> dict[str, str]:
    found = daemon.inspect(instance["container"])["NetworkSettings"]["Networks"][network]
    return {"ip": found["IPAddress"], "gateway": found["Gateway"]}


@contextmanager
def ordinary_network(daemon: Daemon, *instances: dict[str, Any]) -> Iterator[str]:
    """A network like any other, with these containers on it besides their own."""
    name = f"theoryctl-test-{instances[0]['container'][:12]}"
    daemon("network", "create", name)
    try:
        for instance in instances:
            daemon("network", "connect", name, instance["container"])
        yield name
    finally:
        for instance in instances:
            daemon("network", "disconnect", "--force", name, instance["container"], check=False)
        daemon("network", "rm", name)


def test_the_host_reaches_both_instances_and_neither_reaches_the_other(cli: Cli, daemon: Daemon) -> None:
    first, second = start(cli), start(cli, MOCK)
    (network,) = daemon.inspect(first["container"])["NetworkSettings"]["Networks"]
    assert (answer(first["url"]), answer(second["url"])) == (200, 200)
    for here, there in ((first, second), (second, first)):
        place = address(daemon, there, network)
        assert answer(f"http://{place['ip']}:8000") == 200
        assert inside(daemon, there, CONNECT, place["ip"], "8000") == "connected"
        assert inside(daemon, here, CONNECT, place["ip"], "8000") == "ETIMEDOUT"
        # Nor by way of the host: what is published on loopback is not published on the bridge.
        port = str(urlsplit(there["url"]).port)
        assert inside(daemon, here, CONNECT, place["gateway"], port) == "ECONNREFUSED"
    with ordinary_network(daemon, first, second) as other:
        assert inside(daemon, first, CONNECT, address(daemon, second, other)["ip"], "8000") == "connected"


def test_an_instance_is_not_on_any_address_of_this_machine_that_others_may_reach(
    daemon: Daemon, instance: dict[str, Any]
) -> None:
    port = urlsplit(instance["url"]).port
    with socket.socket() as on_loopback, socket.socket() as on_the_bridge:
        on_loopback.connect(("127.0.0.1", port))
        with pytest.raises(ConnectionRefusedError):
            on_the_bridge.connect((bridge_gateway(daemon), port))
