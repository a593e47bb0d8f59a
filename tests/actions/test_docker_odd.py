"""A daemon that answers each request as Docker does, but for one: what comes then is an error of Docker's."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.actions.running import error
from tests.actions.test_docker_daemon import PING, answer, last
from tests.conftest import REF, ROOT, Cli, Ran

ID, DIGEST = "c" * 64, "sha256:" + "0" * 64
REPOSITORY = "127.0.0.1:1/a/b"
IMAGE = {"Id": DIGEST, "Os": "linux", "Architecture": "amd64", "RepoDigests": [f"{REPOSITORY}@{DIGEST}"], "Size": 1}

#: Parts of a request line, with the answer to it; the first one that is in it counts.
GOOD = {
    "/_ping": last(PING),
    "/version": answer(b'{"Version": "20.10", "Os": "linux", "Arch": "amd64"}'),
    "/info": answer(b"{}"),
    "/images/create": answer(b'{"status": "Pulling"}\r\n'),
    "/tag?": answer(b"", "201 Created"),
    "/push?": answer(b'{"aux": {"Digest": "%s"}}\r\n' % DIGEST.encode()),
    "/images/": answer(json.dumps(IMAGE).encode()),
    "/build?": answer(b'{"stream": "Step 1/1 : FROM x"}\r\n{"aux": {"ID": "%s"}}\r\n' % DIGEST.encode()),
    "/networks/": answer(b"{}"),
    "/containers/json": answer(b"[]"),
    "/containers/create": answer(b'{"Id": "%s"}' % ID.encode(), "201 Created"),
    "/attach?": b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
    "/start": answer(b"", "204 No Content"),
    "/json": answer(b'{"Id": "%s", "State": {"Running": false}}' % ID.encode()),
    "DELETE": answer(b"", "204 No Content"),
}

ODD = {
    "null": answer(b"null"),
    "an object": answer(b"{}"),
    "a list in each part": answer(
        json.dumps({key: [1] for key in (*IMAGE, "Version", "CgroupVersion", "State", "aux", "error")}).encode()
    ),
    "nothing": answer(b""),
    "deep JSON": answer(b"[" * 100_000),
    "200 MiB": b"HTTP/1.1 200 OK\r\nContent-Length: 209715200\r\n\r\n" + b"[" * (17 << 20),
    "an odd refusal": answer(b"[" * 100_000, "500 Internal Server Error"),
}
OTHERS = {
    "a list": answer(b"[]"),
    "a text": answer(b'"x"'),
    "no text": answer(b'{"Id": "\xff\xfe"}'),
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "a line without end": b"HTTP/1.1 200 OK" + b"x" * (1 << 20),
}


@contextmanager
def daemon(part: str, said: bytes, **others: bytes) -> Iterator[str]:
    """Listen in Docker's place, and say that to requests with this part, and the others to those with theirs; yield
    the address."""
    answers = [(part, said), *others.items(), *GOOD.items()]

    class Connection(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            asked = self.rfile.readline().decode()
            headers = dict(line.decode().lower().split(": ", 1) for line in iter(self.rfile.readline, b"\r\n"))
            self.rfile.read(int(headers.get("content-length", "0")))
            if "transfer-encoding" in headers:
                while self.rfile.readline() != b"0\r\n":
                    pass
            with suppress(OSError):
                self.wfile.write(last(next(known for each, known in answers if each in asked)))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Connection) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield f"tcp://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def small(tmp_path: Path) -> None:
    """A manifest of the ref whose image needs no packages."""
    file = tmp_path / f"work/manifests/{REF}.yaml"
    file.parent.mkdir(parents=True)
    file.write_text((ROOT / f"manifests/{REF}.yaml").read_text().replace("context: providers", "context: image"))
    (tmp_path / "work/image").mkdir()
    (tmp_path / "work/image/Dockerfile").write_text("ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n")


BUILD = ("image", "build", "--ref", REF)
PUSH = ("image", "push", "--ref", REF, "--to", f"{REPOSITORY}:latest")
START = ("local", "start", "--ref", REF, "--runtime", "docker", "--oci", f"{REPOSITORY}@{DIGEST}")


def test_a_daemon_that_answers_as_docker_does_builds_and_pushes(cli: Cli, small: None) -> None:
    with daemon("none of them", b"") as address:
        assert cli(*BUILD, "--json", env={"DOCKER_HOST": address}).document["image_id"] == DIGEST
        assert cli(*PUSH, "--json", env={"DOCKER_HOST": address}).document["digest"] == DIGEST


def codes(ran: Ran) -> list[str]:
    """Codes of the errors that a command found."""
    document = ran.document
    return (
        [document["error"]["code"]]
        if "error" in document
        else [each["code"] for each in document["findings"] if each["code"]]
    )


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(
    ("command", "part"),
    [
        (BUILD, "/version"),
        (BUILD, "/images/"),
        (START, "/containers/create"),
        (START, f"/containers/{ID}/json"),
        (("doctor",), "/info"),
    ],
)
def test_an_answer_of_another_shape_is_an_error_of_docker(
    cli: Cli, small: None, command: tuple[str, ...], part: str, odd: str
) -> None:
    with daemon(part, ODD[odd]) as address:
        ran = cli(*command, "--json", env={"DOCKER_HOST": address})
    if (part, odd) != ("/info", "an object"):  # old daemons leave out whatever is asked there
        assert (ran.status, codes(ran)[0]) == (5, "ERR_DOCKER"), ran.out
        assert len(ran.out) < 4000


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(
    ("command", "part"),
    [
        (BUILD, "/build?"),
        (PUSH, "/tag?"),
        (PUSH, "/push?"),
        (START, "/networks/"),
        (START, "/attach?"),
        (START, f"/{ID}/start"),
    ],
)
def test_an_odd_answer_to_what_changes_something_is_no_bug(
    cli: Cli, small: None, command: tuple[str, ...], part: str, odd: str
) -> None:
    with daemon(part, ODD[odd]) as address:
        ran = cli(*command, "--json", env={"DOCKER_HOST": address})
    assert ran.status == 0 or codes(ran)[0] in ("ERR_DOCKER", "ERR_BUILD", "ERR_REGISTRY", "ERR_START"), ran.out


@pytest.mark.parametrize("said", OTHERS.values(), ids=OTHERS)
def test_an_answer_that_is_no_json_of_docker_is_an_error_of_docker(cli: Cli, small: None, said: bytes) -> None:
    with daemon("/images/", said) as address:
        ran = cli(*BUILD, "--json", env={"DOCKER_HOST": address})
    assert error(ran) == (5, "ERR_DOCKER")


@pytest.mark.parametrize("part", ["/images/create", "/containers/create", "/attach?", "DELETE"])
@pytest.mark.parametrize("odd", ["null", "a list in each part", "200 MiB"])
def test_an_odd_answer_while_a_base_is_asked_or_pulled_is_no_bug(cli: Cli, part: str, odd: str) -> None:
    missing = {"images/python": answer(b"{}", "404 Not Found")} if part == "/images/create" else {}
    with daemon(part, ODD[odd], **missing) as address:
        ran = cli(*BUILD, "--json", env={"DOCKER_HOST": address})
    assert codes(ran)[0] in ("ERR_DOCKER", "ERR_BUILD"), ran.out
