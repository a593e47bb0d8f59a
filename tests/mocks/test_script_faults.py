"""Faults of a script: statuses, stalls, delays, and answers that break off."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.mocks.scripted import HI, answers, code_of, events, failure, said, script
from theoryctl_providers import ProviderError, run
from theoryctl_providers.contract import Delta, Result, ScriptedFailure


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        (400, "ERR_INPUTS", False),
        (401, "ERR_AUTH", False),
        (402, "ERR_QUOTA", False),
        (403, "ERR_PERMISSION", False),
        (404, "ERR_MODEL_NOT_FOUND", False),
        (408, "ERR_TIMEOUT", True),
        (413, "ERR_CONTEXT_EXCEEDED", False),
        (429, "ERR_RATE_LIMITED", True),
        (500, "ERR_UNAVAILABLE", True),
        (503, "ERR_UNAVAILABLE", True),
    ],
)
def test_a_status_is_the_code_that_a_vendors_answer_with_it_has(status: int, code: str, retryable: bool) -> None:
    told = script(answers({"fault": {"status": status, "retry_after": 2.5, "message": "no way"}}))
    error, cause = failure(HI, told)
    assert (error["code"], error["retryable"]) == (code, retryable)
    assert f"the script answered {status}" in error["message"] and error["hint"]
    assert isinstance(cause, ScriptedFailure)
    assert (cause.kind, cause.status, cause.retry_after) == ("error", status, 2.5)


@pytest.mark.parametrize(("status", "right"), [(401, "whole, current"), (403, "the right to use")])
def test_a_scripted_refusal_of_the_key_names_it_as_a_vendors_does(status: int, right: str) -> None:
    for provider, key in (("litellm", "the key in OPENAI_API_KEY"), ("mock", "its key")):
        told = script(answers({"fault": {"status": status}}))
        with pytest.raises(ProviderError) as refused:
            run(HI, provider=provider, script=told)
        assert refused.value.hint and key in refused.value.hint and right in refused.value.hint


def test_a_fault_is_passed_on_at_once_and_the_next_call_gets_the_next_answer() -> None:
    told = script(answers({"fault": {"status": 429, "retry_after": 60}}, {"fault": {"status": 503}}, {"text": "third"}))
    begun = time.monotonic()
    assert [failure(HI, told)[0]["code"] for _ in range(2)] == ["ERR_RATE_LIMITED", "ERR_UNAVAILABLE"]
    assert said(HI, told) == "third"
    assert time.monotonic() - begun < 1


@pytest.mark.parametrize(
    ("fault", "deltas", "code"),
    [
        ({"kind": "disconnect", "after": 0}, [], "ERR_UNREACHABLE"),
        ({"kind": "disconnect", "after": 1}, ["one"], "ERR_BAD_RESPONSE"),
        ({"kind": "truncate"}, ["one", " two"], "ERR_BAD_RESPONSE"),
        ({"kind": "truncate", "after": 0}, [], "ERR_BAD_RESPONSE"),
        ({"status": 500, "after": 1}, ["one"], "ERR_UNAVAILABLE"),
    ],
    ids=json.dumps,
)
def test_a_fault_comes_after_the_chunks_that_it_says(fault: Any, deltas: list[str], code: str) -> None:
    seen = events(HI, script(answers({"text": "one two", "fault": fault})))
    assert [event.text for event in seen if isinstance(event, Delta)] == deltas
    result = seen[-1]
    assert isinstance(result, Result) and result.envelope["error"] is not None
    assert result.envelope["error"]["code"] == code
    assert isinstance(result.cause, ScriptedFailure) and result.cause.kind == fault.get("kind", "error")


def test_a_stall_ends_when_time_is_up_after_what_has_come() -> None:
    told = script(answers({"text": "one two", "fault": {"kind": "stall", "after": 1}}))
    begun = time.monotonic()
    seen = events(HI, told, timeout=0.3)
    assert 0.3 <= time.monotonic() - begun < 2
    assert [event.text for event in seen if isinstance(event, Delta)] == ["one"]
    assert code_of(seen[-1]) == "ERR_TIMEOUT"


def test_a_delay_longer_than_the_time_allowed_is_a_timeout() -> None:
    assert failure(HI, script(answers({"text": "late", "delay": 5})), timeout=0.2)[0]["code"] == "ERR_TIMEOUT"
