"""Logs of containers: silent ones, late ones, and those that break off."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.actions.running import stranger
from tests.actions.test_docker_daemon import LIVES, PING, answer, container, daemon, host, listening
from tests.conftest import REF, Cli
from theoryctl.docker import client

__all__ = ["container"]


def cut_after(said: bytes) -> Iterator[bytes]:
    """Say that, and hang up."""
    yield said
    raise ConnectionError


def test_a_log_that_is_followed_may_be_silent_for_longer_than_any_other_answer(
    cli: Cli, container: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "TIMEOUT", 0.2)
    frame = b"\x02\0\0\0\0\0\0\x06spoke\n"

    def answers(path: str) -> bytes:
        if "follow=1" in path:
            time.sleep(0.5)
            return answer(frame * 2)
        return answer(frame) if "/logs" in path else daemon(answer(LIVES))(path)

    with listening(answers) as other:
        ran = cli("local", "logs", "--ref", REF, "--follow", env=host(other.url))
    assert (ran.status, ran.out) == (0, "spoke\nspoke\n"), ran.err


def test_a_log_that_is_followed_begins_in_time_where_the_daemon_sends_its_head_at_once(
    cli: Cli, container: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "TIMEOUT", 0.5)
    begins = True

    def late(request: bytes) -> bytes | Iterator[bytes]:
        path = request.split()[1].decode()
        if path == "/_ping":
            return PING.replace(b"1.41", b"1.45")
        return silent() if "follow=1" in path else answer(b"" if "/logs" in path else LIVES)

    def silent() -> Iterator[bytes]:
        if begins:
            yield b"HTTP/1.1 200 OK\r\n\r\n"
        time.sleep(1)
        yield from cut_after(b"\x02\0\0\0\0\0\0\x06spoke\n" if begins else b"")

    with stranger(late) as other:
        ran = cli("local", "logs", "--ref", REF, "--follow", env=host(other.url))
        assert (ran.status, ran.out) == (0, "spoke\n"), ran.err
        begins = False
        ran = cli("local", "logs", "--ref", REF, "--follow", env=host(other.url))
    assert ran.status == 5
    assert "timed out" in ran.err


LINE, CUT = b"\x01\0\0\0\0\0\0\x04one\n", b"\x01\0\0\0\0\0\0\x20half"
CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BROKEN_LOGS = {
    "within a line": answer(LINE + CUT),
    "before the words of a line": answer(LINE + CUT[:8]),
    "within the head of a line": answer(LINE + CUT[:3]),
    "within a chunk": CHUNKS + b"20\r\n" + LINE + CUT,
    "between chunks": CHUNKS + b"c\r\n" + LINE + b"\r\n",
}


@pytest.mark.parametrize("flags", [(), ("--tail", "1"), ("--follow",)], ids=" ".join)
@pytest.mark.parametrize("said", BROKEN_LOGS.values(), ids=BROKEN_LOGS)
def test_a_log_that_breaks_off_is_shown_as_far_as_it_came_and_is_an_error(
    cli: Cli, container: Path, said: bytes, flags: tuple[str, ...]
) -> None:
    def answers(request: bytes) -> bytes | Iterator[bytes]:
        path = request.split()[1].decode()
        if "/logs" in path:
            return answer(LINE) if "--follow" in flags and "follow=0" in path else cut_after(said)
        return daemon(answer(LIVES))(path)

    with stranger(answers) as other:
        ran = cli("local", "logs", "--ref", REF, *flags, env=host(other.url))
    assert (ran.status, ran.out) == (5, "one\n")
    assert "Docker" in ran.err
