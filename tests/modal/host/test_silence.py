"""A Modal that answers nothing: connections and streams are given up soon, and an answer is listened to anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import REF, Cli, Ran
from tests.docker.conftest import error
from tests.modal.service import Modal
from theoryctl.modal import deadlines

Start = Callable[..., Ran]
#: What a Secret holds that no key was put into yet.
OTHER = "sha256:" + "b" * 64


def test_a_modal_that_takes_a_connection_and_answers_nothing_is_given_up_soon(
    cli: Cli, modal: Modal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "QUICK_SECONDS", 0.1)
    modal.hang("AppList")
    ran = cli("modal", "status", "--json")
    assert error(ran) == (5, "ERR_MODAL_UNAVAILABLE")
    assert ran.document["error"]["message"] == "Modal broke off: Deadline exceeded"


def test_streams_that_are_silent_for_too_long_are_given_up(
    start: Start, cli: Cli, modal: Modal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(deadlines, "QUICK_SECONDS", 0.3)
    monkeypatch.setattr(deadlines, "GRACE_SECONDS", -54.7)
    start()
    for method, command in {
        "VolumeListFiles2": ("run", "--mode", "real", "--prompt", "x", "--attach", f"a={large_file(tmp_path)}"),
        "ImageJoinStreaming": ("start", "--oci", f"registry.test/theoryctl/llm@{OTHER}"),
    }.items():
        modal.hang(method)
        modal.log_builds("one line\n")
        ran = cli("modal", *command, "--ref", REF)
        assert ran.status == 5, ran.err
        assert f"ERR_MODAL_UNAVAILABLE: Modal broke off: {method}: nothing came in 0.3 s" in ran.err


def test_an_answer_whose_stream_is_silent_is_listened_to_anew_and_comes_whole(
    start: Start, cli: Cli, modal: Modal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "SLOW_SECONDS", 0.5)
    start()
    modal.hang("FunctionCallGetDataOut", times=2)
    assert cli("modal", "run", "--ref", REF).out == cli("local", "run", "--ref", REF).out
    assert len(modal.requests("FunctionCallGetDataOut")) >= 3


def large_file(folder: Path) -> Path:
    file = folder / "large.bin"
    file.write_bytes(bytes(2 << 20))
    return file
