"""Failures of a call to a vendor, and what they promise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.real.conftest import ANTHROPIC, CANARY, OPENAI, Call
from theoryctl.errors import exit_status

both_vendors = pytest.mark.parametrize("model", [OPENAI, ANTHROPIC], ids=["openai", "anthropic"])

#: Exit status and retryability, as docs and scripts know them.
PROMISED: Mapping[str, tuple[int, bool]] = {
    "ERR_AUTH": (4, False),
    "ERR_QUOTA": (1, False),
    "ERR_PERMISSION": (4, False),
    "ERR_MODEL_NOT_FOUND": (1, False),
    "ERR_INPUTS": (3, False),
    "ERR_UNSUPPORTED_PARAM": (3, False),
    "ERR_CONTEXT_EXCEEDED": (1, False),
    "ERR_CONTENT_POLICY": (1, False),
    "ERR_TIMEOUT": (124, True),
    "ERR_RATE_LIMITED": (1, True),
    "ERR_UNAVAILABLE": (1, True),
    "ERR_BAD_RESPONSE": (1, True),
    "ERR_UNREACHABLE": (1, True),
}


def assert_failed(call: Call, code: str) -> None:
    """The code, what goes with it, and nothing that must not be seen."""
    error = call.error
    assert error["code"] == code, error
    assert (exit_status(error), error["retryable"]) == PROMISED[code]
    assert error["hint"]
    assert call.envelope["status"] == "error"
    assert call.envelope["outputs"] == []
    assert_clean(call)


def assert_clean(call: Call) -> None:
    told = repr(call.events)
    assert CANARY not in told
    assert "Traceback" not in told


def openai_error(message: str, code: str | None, kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def anthropic_error(message: str, kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}
