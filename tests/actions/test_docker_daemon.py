"""The Docker daemon as commands on an instance meet it: its address, its refusals, and what is no daemon at all."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from hashlib import sha256
from pathlib import Path

import pytest

from tests.actions.running import Stranger, error, listed, records, stranger
from tests.actions.test_bad_records import text
from tests.conftest import REF, Cli

CONTAINER = "c" * 64
STOP = ("local", "stop", "--all", "--json")
PING = b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\n\r\nOK"
LIVES = json.dumps({"Id": CONTAINER, "State": {"Running": True, "Status": "running"}}).encode()


def answer(body: bytes, status: str = "200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


def last(said: bytes) -> bytes:
    """The answer as the last one of its connection, for clients that would use that again."""
    return said.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)


def listening(answers: Callable[[str], bytes]) -> AbstractContextManager[Stranger]:
    """Listen in Docker's place; `answers` is asked by each request's path. Where it says nothing, the line is cut."""

    def answering(request: bytes) -> bytes:
        if said := answers(request.split()[1].decode()):
            return said
        raise ConnectionError

    return stranger(answering)


def daemon(*bodies: bytes) -> Callable[[str], bytes]:
    """Answer the greeting as Docker does, the list of containers with none, and then these, the last one for ever."""
    left = list(bodies)

    def answers(path: str) -> bytes:
        if path == "/_ping":
            return PING
        if path.startswith("/v1.41/containers/json"):
            return answer(b"[]")
        return left.pop(0) if len(left) > 1 else left[0]

    return answers


@pytest.fixture
def container(environment: dict[str, str]) -> Path:
    """The record of a container."""
    file = records(environment) / "litellm@1.docker.json"
    file.parent.mkdir(parents=True)
    text(runtime="docker", pid=None, container=CONTAINER)(file)
    return file


def host(url: str) -> dict[str, str]:
    return {"DOCKER_HOST": url.replace("http:", "tcp:")}


FOREIGN = {
    "nothing": b"",
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "another server": answer(b"<html>"),
    "another server's error": answer(b"<html>no such page</html>", "404 Not Found"),
    "another server's refusal": answer(b"<html>no</html>", "403 Forbidden"),
}


@pytest.mark.parametrize("said", FOREIGN.values(), ids=FOREIGN)
def test_a_program_that_is_no_docker_is_named_by_its_address(cli: Cli, container: Path, said: bytes) -> None:
    with listening(lambda _: said) as other:
        ran = cli(*STOP, env=host(other.url))
        (row,) = cli("local", "status", "--json", env=host(other.url)).document["instances"]
    assert error(ran) == (5, "ERR_DOCKER")
    assert f"{other.url.replace('http:', 'tcp:')} (DOCKER_HOST)" in ran.document["error"]["message"]
    assert ("another program does" in ran.document["error"]["message"]) == (b"OK" in said or b"404" in said)
    assert row["state"] == "unknown"
    assert container.exists()


BROKEN = {
    "hangs up": b"",
    "no JSON": answer(b"{"),
    "deep JSON": answer(b"[" * 100_000),
    "a refusal": answer(b'{"message": "no space left"}', "500 Internal Server Error"),
}


@pytest.mark.parametrize("said", BROKEN.values(), ids=BROKEN)
def test_a_daemon_that_breaks_off_or_refuses_a_stop_leaves_the_record(cli: Cli, container: Path, said: bytes) -> None:
    with listening(daemon(answer(LIVES), said)) as other:
        ran = cli(*STOP, env=host(other.url))
    assert error(ran) == (5, "ERR_DOCKER")
    assert "(DOCKER_HOST): " in ran.document["error"]["message"]
    assert ("no space left" in ran.document["error"]["message"]) == (b"space" in said)
    assert b"POST /v1.41/containers/%s/stop?t=12 " % CONTAINER.encode() in other.heard
    assert container.exists()


def test_a_stop_waits_for_nothing_that_the_daemon_finishes_by_itself(cli: Cli, container: Path) -> None:
    let_go, stopped = threading.Event(), threading.Event()

    def answers(request: bytes) -> bytes:
        method, path = request.decode().split()[:2]
        if "/networks/" in path and method == "DELETE":
            let_go.set()
            stopped.wait(20)  # as if the rules of its bridge took so long
            stopped.set()
        if "/networks/" in path:
            return answer(b'{"message": "no such network"}', "404 Not Found") if let_go.is_set() else answer(LIVES)
        return daemon(answer(LIVES))(path)

    with stranger(answers) as other:
        threading.Thread(target=other.serve, daemon=True).start()  # a second one, while the first one is at the bridge
        ran = cli(*STOP, env=host(other.url))
        is_early = not stopped.is_set()
        stopped.set()
    assert ran.status == 0, ran.err
    assert is_early
    assert other.heard.index(b"/stop") < other.heard.index(b"DELETE /v1.41/networks/")
    assert not container.exists()


REFUSALS = {
    "something is on it": answer(b'{"message": "has active endpoints"}', "403 Forbidden"),
    "nobody may ask": answer(b"<html>no</html>", "403 Forbidden"),
}


@pytest.mark.parametrize("said", REFUSALS.values(), ids=REFUSALS)
def test_a_network_that_stays_keeps_no_stop_from_its_end(cli: Cli, container: Path, said: bytes) -> None:
    def answers(request: bytes) -> bytes:
        method, path = request.decode().split()[:2]
        if "/networks/" in path:
            return answer(LIVES) if method == "GET" and b"active" in said else said
        return daemon(answer(LIVES))(path)

    with stranger(answers) as other:
        ran = cli(*STOP, env=host(other.url))
    assert ran.status == 0, ran.err
    assert not container.exists()


ODD = {
    "null": b"null",
    "a list": b"[]",
    "no state": b'{"Id": "c"}',
    "a state that is none": b'{"Id": "c", "State": 5}',
    "no id": b'{"State": {"Running": true}}',
    "nothing": b"",
    "a page": b"<html>hi</html>",
    "deep JSON": b"[" * 100_000,
    "a port that is none": json.dumps(
        {"Id": "c", "State": {"Running": True}, "NetworkSettings": {"Ports": {"8000/tcp": [{"HostPort": "99999"}]}}}
    ).encode(),
    "more than is read": b"[" * (17 << 20),
}


@pytest.mark.parametrize("said", ODD.values(), ids=ODD)
def test_a_container_that_is_described_oddly_is_unknown_and_stays_recorded(
    cli: Cli, container: Path, said: bytes
) -> None:
    with listening(daemon(answer(said))) as other:
        ran = cli(*STOP, env=host(other.url))
        (row,) = cli("local", "status", "--json", env=host(other.url)).document["instances"]
    assert error(ran) == (5, "ERR_DOCKER")
    assert "answered oddly" in ran.document["error"]["message"]
    assert len(ran.document["error"]["message"]) < 500
    assert row["state"] == "unknown"
    assert container.exists()


ODD_LISTS = {
    "another page": answer(b'{"message": "page not found"}', "404 Not Found"),
    "null": answer(b"null"),
    "an object": answer(b"{}"),
    "rows without an id": answer(b'[{"ID": "x"}]'),
    "a container without our labels": answer(b'[{"Id": "%s"}]' % (b"d" * 64)),
}


@pytest.mark.parametrize("said", ODD_LISTS.values(), ids=ODD_LISTS)
def test_an_odd_list_of_containers_hides_no_recorded_one(
    cli: Cli, container: Path, environment: dict[str, str], said: bytes
) -> None:
    (container.parent.parent.parent / "id").write_text("5" * 32)

    def answers(path: str) -> bytes:
        if "/containers/json" in path:
            return said
        return answer(b"{}") if "/stats" in path else daemon(answer(LIVES))(path)

    with listening(answers) as other:
        (row,) = cli("local", "status", "--json", env=host(other.url)).document["instances"]
        assert row["state"] == "unknown"  # by its statistics
        assert cli(*STOP, env=host(other.url)).status == 0
    assert b"/containers/json" in other.heard


def test_a_container_that_is_gone_counts_as_stopped(cli: Cli, container: Path) -> None:
    with listening(daemon(answer(b'{"message": "No such container"}', "404 Not Found"))) as other:
        (gone,) = cli(*STOP, env=host(other.url)).document["instances"]
    assert gone["was_running"] is False
    assert not container.exists()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("nonsense", "DOCKER_HOST: expected an address such as unix:///PATH or tcp://127.0.0.1:PORT, got 'nonsense'"),
        ("npipe:////./pipe/docker", "DOCKER_HOST: expected an address"),
        ("http://127.0.0.1", "DOCKER_HOST: expected an address"),
        ("tcp://127.0.0.1:99999", "DOCKER_HOST: expected an address"),
        ("tcp://192.0.2.1:2375", "the Docker daemon tcp://192.0.2.1:2375 (DOCKER_HOST) is on another machine"),
        ("ssh://me@elsewhere", "the Docker daemon ssh://me@elsewhere (DOCKER_HOST) is on another machine"),
        ("unix:///nowhere.sock", "Docker does not answer at unix:///nowhere.sock (DOCKER_HOST): No such file"),
        ("127.0.0.1:1", "Docker does not answer at 127.0.0.1:1 (DOCKER_HOST): Connection refused"),
        ("tcp://localhost:1/below", "Docker does not answer at tcp://localhost:1/below (DOCKER_HOST): Connection"),
    ],
)
@pytest.mark.parametrize("command", [STOP, ("local", "start", "--ref", REF, "--runtime", "docker", "--json")])
def test_an_address_without_a_daemon_is_said(
    cli: Cli, container: Path, command: tuple[str, ...], address: str, said: str
) -> None:
    ran = cli(*command, env={"DOCKER_HOST": address})
    assert error(ran) == (5, "ERR_DOCKER")
    assert ran.document["error"]["message"].startswith(said)


def context(folder: Path, name: str, meta: object) -> dict[str, str]:
    """Make a context of Docker's, and return the variables that lead to it."""
    file = folder / "contexts/meta" / sha256(name.encode()).hexdigest() / "meta.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(meta))
    return {"DOCKER_HOST": "", "DOCKER_CONFIG": str(folder)}


def test_the_context_in_use_is_the_one_of_the_variable_else_of_the_settings(
    cli: Cli, container: Path, tmp_path: Path
) -> None:
    env = context(tmp_path, "far", {"Endpoints": {"docker": {"Host": "unix:///far.sock"}}})
    told = "Docker does not answer at unix:///far.sock (context far)"
    assert cli(*STOP, env={**env, "DOCKER_CONTEXT": "far"}).document["error"]["message"].startswith(told)
    (tmp_path / "config.json").write_text('{"currentContext": "far"}')
    assert cli(*STOP, env=env).document["error"]["message"].startswith(told)
    (tmp_path / "config.json").write_text('{"currentContext": "gone"}')
    message = f"{tmp_path / 'config.json'}: there is no context 'gone'"
    assert cli(*STOP, env=env).document["error"]["message"] == message


@pytest.mark.parametrize("meta", [[], {}, {"Endpoints": []}, {"Endpoints": {"kubernetes": {}}}])
def test_a_context_that_cannot_be_read_is_named(cli: Cli, container: Path, tmp_path: Path, meta: object) -> None:
    ran = cli(*STOP, env={**context(tmp_path, "odd", meta), "DOCKER_CONTEXT": "odd"})
    assert error(ran) == (5, "ERR_DOCKER")
    assert "meta.json: expected the endpoint of context odd, got none" in ran.document["error"]["message"]


def test_headers_of_the_settings_go_with_each_request(cli: Cli, container: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"HttpHeaders": {"X-Meta": "told"}}')
    with listening(daemon(answer(b"", "404 Not Found"))) as other:
        assert cli(*STOP, env={**host(other.url), "DOCKER_CONFIG": str(tmp_path)}).status == 0
    assert other.heard.count(b"X-Meta: told") == other.heard.count(b" HTTP/1.1\r\n")


def test_nothing_is_listed_where_there_is_no_daemon(cli: Cli, container: Path) -> None:
    assert [row["state"] for row in listed(cli)] == ["unknown"]
