"""Deadlines of `theoryctl modal`: whatever Modal leaves without an answer, the command comes to its end and says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest
from aiohttp import ClientTimeout
from modal._utils import http_utils

from tests.batch.rows import ask, write_lines
from tests.conftest import REF, Cli
from tests.docker.conftest import error
from tests.modal.host.running import Acme, Asked, Start
from tests.modal.service import Modal
from theoryctl.batch import failures
from theoryctl.modal import calls, deadlines

LARGE = 3 << 20


@pytest.fixture
def hurried() -> Iterator[None]:
    """Deadlines of less than a second."""
    with pytest.MonkeyPatch.context() as patch:
        for name, seconds in {"QUICK_SECONDS": 0.3, "SLOW_SECONDS": 0.5, "GRACE_SECONDS": 0.3}.items():
            patch.setattr(deadlines, name, seconds)
        patch.setattr(deadlines, "STILL_SECONDS", 0.1)
        patch.setattr(deadlines, "SLOWEST", 16 << 20)
        patch.setattr(calls, "END_SECONDS", 0.3)
        patch.setattr(failures, "_DOWN_ROUNDS", 1)
        renew_transfers()
        yield
    renew_transfers()


def renew_transfers() -> None:
    """Hold the session that the client keeps for all its transfers, if it has one already, to the present deadline."""
    if http_utils.ClientSessionRegistry._client_session_active:
        still = deadlines.STILL_SECONDS
        http_utils.ClientSessionRegistry._client_session._timeout = ClientTimeout(sock_connect=still, sock_read=still)


@pytest.mark.usefixtures("hurried")
def test_an_attachment_that_modal_does_not_take_is_given_up_after_a_time_that_grows_with_its_size(
    acme: Acme, start: Start, asked: Asked, modal: Modal, tmp_path: Path
) -> None:
    assert deadlines.upload_seconds(8 << 20) - deadlines.upload_seconds(0) == 0.5
    start(ref := acme("Files"))
    (tmp_path / "large.bin").write_bytes(bytes(range(256)) * (LARGE // 256))
    modal.hang_transfers()
    attach = ("--mode", "real", "--attach", f"a={tmp_path / 'large.bin'}", "--json")
    ran = asked(ref, "x", *attach)
    assert error(ran) == (5, "ERR_MODAL_UNAVAILABLE")
    assert "Modal has not taken the attachments: " in ran.document["error"]["message"]
    modal.resume_transfers()
    assert asked(ref, "x", *attach).status == 0


@pytest.mark.usefixtures("hurried")
def test_an_answer_in_a_blob_that_does_not_come_is_given_up(
    acme: Acme, start: Start, asked: Asked, modal: Modal
) -> None:
    start(ref := acme("Much"))
    modal.hang_transfers("GET")
    ran = asked(ref, "x", "--json")
    assert error(ran) == (5, "ERR_MODAL_UNAVAILABLE")
    assert "Timeout on reading data" in ran.document["error"]["message"]


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    ("way", "words", "said"),
    [("GET", "x", "Modal broke off: Timeout on reading data"), ("PUT", "x" * LARGE, "Modal has not taken the request")],
)
def test_a_line_of_a_batch_whose_transfer_stands_still_is_given_up(
    way: str, words: str, said: str, acme: Acme, start: Start, cli: Cli, modal: Modal, tmp_path: Path
) -> None:
    start(ref := acme("Much"))
    modal.hang_transfers(way)
    write_lines(tmp_path / "work/lines.jsonl", [ask(words)])
    ran = cli("modal", "batch", "lines.jsonl", "--out", "rows.jsonl", "--ref", ref)
    assert (ran.status, said in ran.err) == (5, True), ran.err


@pytest.mark.usefixtures("hurried")
def test_an_answer_that_is_missing_after_its_end_is_given_up_and_not_awaited_for_the_whole_timeout(
    start: Start, cli: Cli, modal: Modal
) -> None:
    start()
    modal.hang("FunctionCallGetDataOut")
    ran = cli("modal", "run", "--ref", REF, "--json")
    assert error(ran) == (5, "ERR_MODAL_UNAVAILABLE")
    assert "FunctionCallGetDataOut: the answer is missing 0.3 s after its end" in ran.document["error"]["message"]


def test_a_call_may_end_in_the_very_moment_in_which_its_stream_has_been_silent_for_too_long() -> None:
    answer = deadlines._Answer()

    async def silent() -> AsyncGenerator[None]:
        try:
            await asyncio.sleep(60)
        finally:
            answer.end()
        yield

    with pytest.raises(TimeoutError):
        asyncio.run(deadlines._next(silent(), 0.01, answer))
    assert answer.is_awaited


@pytest.mark.usefixtures("hurried")
def test_a_log_that_is_followed_is_opened_again_once_and_then_given_up(
    start: Start, cli: Cli, modal: Modal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "GRACE_SECONDS", -54.7)
    start()
    modal.hang("AppGetLogs")
    ran = cli("modal", "logs", "--ref", REF, "--follow")
    assert ran.status == 5
    assert "ERR_MODAL_UNAVAILABLE: Modal broke off: AppGetLogs: nothing came in 0.3 s" in ran.err
    assert len(modal.requests("AppGetLogs")) == 2
