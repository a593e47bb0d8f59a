"""A test that records what is missing: its vendor is asked once, and its key stays out of the files."""

from __future__ import annotations

from pathlib import Path

import httpx
import openai
import pytest

from tests.real.conftest import CANARY, LITELLM_WARNINGS
from tests.real.vendor import Vendor
from tests.testing.test_serve import ask
from theoryctl_providers.testing import serve


@LITELLM_WARNINGS
@pytest.mark.usefixtures("litellm", "only_loopback", "foreign_variables")
def test_a_vendor_is_asked_only_for_what_is_not_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "recordings"
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    with Vendor() as vendor:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{vendor.url}/v1")
        with serve(replay=folder, record="missing") as theoryctl:
            assert [ask(theoryctl, text) for text in ("a", "a", "b")] == ["Hello there!"] * 3
        (first, other, third) = theoryctl.requests
        assert [received.body["messages"][0]["content"] for received in vendor.requests] == ["a", "b"]
        assert vendor.requests[0].headers["authorization"] == f"Bearer {CANARY}"
        with serve(replay=folder, record="missing") as theoryctl:
            assert (ask(theoryctl, "b"), len(vendor.requests)) == ("Hello there!", 2)
    files = sorted(file.name for file in folder.iterdir())
    assert [first.answered_by, third.answered_by, other.answered_by in files] == ["vendor", "vendor", True]
    assert first.body["messages"] == [{"role": "user", "content": "a"}]
    assert CANARY not in "".join(file.read_text() for file in folder.iterdir())
    with serve(replay=folder) as theoryctl:
        assert (ask(theoryctl, "a"), len(files)) == ("Hello there!", 2)
        with pytest.raises(openai.NotFoundError, match="no recording is of this request"):
            ask(theoryctl, "c")


@LITELLM_WARNINGS
@pytest.mark.usefixtures("litellm", "only_loopback", "foreign_variables")
def test_what_was_paid_for_is_written_before_another_folder_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    with Vendor() as vendor:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{vendor.url}/v1")
        with serve(replay=tmp_path / "first", record="missing") as theoryctl:
            ask(theoryctl, "a")
            theoryctl.replay(tmp_path / "second", record="missing")
            ask(theoryctl, "b")
    assert [len(list((tmp_path / name).iterdir())) for name in ("first", "second")] == [1, 1]


@pytest.mark.usefixtures("foreign_variables")
def test_a_test_that_records_without_a_key_is_told_to_set_it_before(tmp_path: Path) -> None:
    hint = "set OPENAI_API_KEY before the test"
    asked = {"inputs": {"messages": [{"role": "user", "content": "Hi"}]}}
    with serve(replay=tmp_path, record="missing") as instance:
        with pytest.raises(openai.AuthenticationError, match=rf"\({hint}\)"):
            ask(instance)
        headers = {"authorization": f"Bearer {instance.token}"}
        envelope = httpx.post(f"{instance.url}/v1/run", json=asked, headers=headers).json()
    assert envelope["error"]["hint"] == hint
