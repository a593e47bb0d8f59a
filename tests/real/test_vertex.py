"""Vertex AI, where access comes before the call: a package of Google's, and credentials."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from tests.real.conftest import LITELLM_WARNINGS, Ask

pytestmark = LITELLM_WARNINGS

PLACE = {"VERTEXAI_PROJECT": "p", "VERTEXAI_LOCATION": "us-central1", "VERTEXAI_API_BASE": "http://127.0.0.1:9"}
MODEL = "vertex_ai/gemini-2.5-flash"


def test_without_googles_package_one_command_is_named(ask: Ask, litellm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "google"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "google.auth", None)  # as where it is not installed
    call = ask(PLACE, MODEL)
    assert call.error["code"] == "ERR_PROVIDER"
    assert call.error["message"] == "vertex_ai needs the package google-auth, which is not installed here"
    assert "google-auth" in (call.error["hint"] or "") and "install" in (call.error["hint"] or "")


def test_credentials_that_are_none_are_no_fault_of_the_answer(ask: Ask) -> None:
    call = ask({**PLACE, "VERTEXAI_CREDENTIALS": '{"type": "service_account"}'}, MODEL)
    assert call.error["code"] == "ERR_AUTH"
    assert "VERTEXAI_CREDENTIALS" in (call.error["hint"] or "")
    assert not call.error["retryable"]
