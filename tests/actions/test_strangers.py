"""Nothing is sent to a program that listens where an instance did: no prompt, and no token."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.actions.running import RUN, START, STOP, change, error, port_of, record, servers, started, stranger
from tests.conftest import REF, Cli
from theoryctl.instances.connection import proves_token
from theoryctl_providers.contract import healthz_proof

PROMPT = "a prompt that nobody else may see"


@pytest.fixture(autouse=True)
def _nothing_is_left(cli: Cli) -> Iterator[None]:
    yield
    cli("local", "stop", "--all")


def http(document: object, status: str = "200 OK") -> bytes:
    body = json.dumps(document).encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


HEALTHY = {"ready": True, "ref": REF, "mode": "mock"}
ANSWERS = {
    "as an older server": http(HEALTHY),
    "with a made-up proof": http({**HEALTHY, "proof": "0" * 64}),
    "with a proof of another type": http({**HEALTHY, "proof": [1]}),
    "not found": http({}, "404 Not Found"),
    "a list": http([]),
    "no JSON": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{{",
    "deep JSON": b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + b"[" * 60000,
    "another protocol": b"220 mail.example ESMTP\r\n",
    "without end": b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 200_000,
}


def test_a_program_on_the_port_of_an_instance_that_died_hears_nothing(cli: Cli, environment: dict[str, str]) -> None:
    instance = started(cli, "--mode", "mock")
    os.kill(instance["pid"], signal.SIGKILL)
    while servers(environment):
        time.sleep(0.01)
    token = json.loads(record(environment).read_text())["token"]
    with stranger(lambda _: ANSWERS["as an older server"], port_of(instance)) as other:
        for command in ((*RUN, "--prompt", PROMPT), ("local", "env", "--ref", REF), ("local", "url", "--ref", REF)):
            ran = cli(*command, "--json")
            assert error(ran) == (5, "ERR_NOT_RUNNING")
            assert ran.document["error"]["hint"].startswith(f"theoryctl local start --ref {REF} --runtime process")
            assert token not in ran.out + ran.err
        assert cli(*STOP).status == 0
    assert PROMPT.encode() not in other.heard
    assert token.encode() not in other.heard


def test_a_program_that_cannot_prove_the_token_is_asked_for_its_health_alone(cli: Cli, instance: Path) -> None:
    for said, answer in ANSWERS.items():
        with stranger(lambda _, answer=answer: answer) as other:  # type: ignore[misc]
            change(instance, url=other.url, record=str(instance.parent))
            ran = cli(*RUN, "--prompt", PROMPT, "--json")
            assert error(ran) == (5, "ERR_NOT_RUNNING"), said
            assert cli("local", "recordings", "--ref", REF, "--json").status == 5
        assert other.heard.startswith(b"GET /healthz?nonce=")
        assert b"POST" not in other.heard
        assert PROMPT.encode() not in other.heard
        assert json.loads(instance.read_text())["token"].encode() not in other.heard
    with stranger(lambda _: ANSWERS["with a made-up proof"]) as other:
        change(instance, url=other.url, record=None)
        (row,) = cli("local", "status", "--json").document["instances"]
        assert (row["state"], row["healthy"]) == ("running", False)


def test_a_public_address_is_believed_only_where_it_proves_the_token() -> None:
    def knows(request: bytes, *, port: int) -> bytes:
        nonce = request.partition(b"nonce=")[2][:32].decode()
        return http({**HEALTHY, "proof": healthz_proof("token", nonce, port), "port": 8000})

    for answer, is_believed in (
        (lambda request: knows(request, port=8000), True),
        (lambda request: knows(request, port=8001), False),
        *((lambda _, answer=answer: answer, False) for answer in ANSWERS.values()),
    ):
        with stranger(answer) as other:
            assert proves_token(other.url, REF, "token", 80) is is_believed
    assert not proves_token(other.url, REF, "token", 80), "nobody listens there now"


@pytest.fixture
def instance(cli: Cli, environment: dict[str, str]) -> Path:
    """The record of a started instance."""
    started(cli)
    return record(environment)


def test_a_program_that_passes_the_challenge_on_to_the_instance_is_a_stranger(cli: Cli, instance: Path) -> None:
    there = int(json.loads(instance.read_text())["url"].rpartition(":")[2])

    def passed_on(request: bytes) -> bytes:
        with closing(socket.create_connection(("127.0.0.1", there), timeout=10)) as far:
            far.sendall(request)
            return far.recv(1 << 16)

    with stranger(passed_on) as other:
        change(instance, url=other.url)
        ran = cli(*RUN, "--prompt", PROMPT, "--json")
    assert error(ran) == (5, "ERR_NOT_RUNNING")
    assert "another program" in ran.document["error"]["message"]
    assert PROMPT.encode() not in other.heard


def test_nothing_is_sent_over_a_second_connection_which_has_proved_nothing(cli: Cli, instance: Path) -> None:
    token, ports = json.loads(instance.read_text())["token"], list[int]()

    def proves_and_ends(request: bytes) -> bytes:
        proof = healthz_proof(token, request.partition(b"nonce=")[2][:32].decode(), ports[0])
        return http({**HEALTHY, "proof": proof}).replace(b"\r\n", b"\r\nConnection: close\r\n", 1)

    with stranger(proves_and_ends) as other:
        ports.append(int(other.url.rpartition(":")[2]))
        change(instance, url=other.url)
        assert error(cli(*RUN, "--prompt", PROMPT, "--json")) == (5, "ERR_NOT_RUNNING")
    assert other.heard.startswith(b"GET /healthz?nonce=")
    assert b"POST" not in other.heard
    assert token.encode() not in other.heard


def test_the_proof_of_one_port_is_none_of_another() -> None:
    assert healthz_proof("token", "0" * 32, 80) != healthz_proof("token", "0" * 32, 8080)


def test_a_server_too_old_for_a_proof_is_believed_where_its_process_itself_listens(
    cli: Cli, theoryctl: Cli, environment: dict[str, str], tmp_path: Path
) -> None:
    # The server of before: it has no proof, whoever asks for one.
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "if 'theoryctl_providers' in sys.orig_argv:\n"
        "    from theoryctl_providers.wires.run.health import Health\n"
        "    Health._proof = lambda *_: {}\n"
    )
    old = theoryctl(*START, "--json", env={"PYTHONPATH": str(tmp_path)}).document
    assert cli(*RUN, "--json").document["runtime"] == "process"
    assert [row["healthy"] for row in cli("local", "status", "--json").document["instances"]] == [True]
    assert started(cli)["pid"] == old["pid"]
    with stranger(lambda _: ANSWERS["as an older server"]) as other:
        change(record(environment), url=other.url)
        assert error(cli(*RUN, "--prompt", PROMPT, "--json")) == (5, "ERR_NOT_RUNNING")
    assert PROMPT.encode() not in other.heard
