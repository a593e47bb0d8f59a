"""Modes, the table of errors, and the envelope's builder."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import ROOT
from theoryctl_providers.contract import (
    ERRORS,
    ProviderConfig,
    ProviderError,
    Stopwatch,
    build_envelope,
    is_mock,
    resolve_mode,
    stated_mode,
)


@pytest.mark.parametrize(
    ("inputs", "override", "default", "expected"),
    [
        ({}, None, "mock", "mock"),
        ({}, None, "real", "real"),
        ({"mode": "real"}, None, "mock", "real"),
        ({"mode": "mock"}, None, "real", "mock"),
        ({"mode": "real"}, "mock", "real", "mock"),
        ({"mode": None}, None, "real", "real"),
    ],
)
def test_the_flag_goes_before_the_inputs_and_they_before_the_instance(
    inputs: dict[str, Any], override: str | None, default: str, expected: str
) -> None:
    assert resolve_mode(inputs, override, default) == expected


@pytest.mark.parametrize(
    ("inputs", "override", "default", "expected"),
    [
        ({}, None, "mock", "real"),
        ({"mode": "mock"}, None, "mock", "mock"),
        ({}, "mock", "mock", "mock"),
    ],
)
def test_the_variable_goes_before_the_instance_and_after_the_inputs(
    inputs: dict[str, Any], override: str | None, default: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THEORYCTL_MODE", "real")
    assert resolve_mode(inputs, override, default) == expected
    assert stated_mode({}, None, default) == default


def test_a_variable_that_is_no_mode_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THEORYCTL_MODE", "reel")
    with pytest.raises(ProviderError, match="THEORYCTL_MODE") as caught:
        resolve_mode({})
    assert caught.value.code == "ERR_USAGE"
    assert resolve_mode({"mode": "mock"}) == "mock"


@pytest.mark.parametrize("value", ["", "MOCK", "test", 1, True])
def test_a_mode_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(ProviderError) as caught:
        resolve_mode({"mode": value})
    assert caught.value.code == "ERR_INPUTS"


def test_only_mock_is_mock() -> None:
    assert is_mock("mock")
    assert not is_mock("real")


def test_every_failure_of_the_programmatic_api_is_a_runtime_error_with_a_code_of_the_table() -> None:
    error = ProviderError("ERR_RATE_LIMITED", "slow down", hint="wait", retry_after=3)
    assert isinstance(error, RuntimeError)
    assert (error.retryable, error.retry_after) == (True, 3)
    with pytest.raises(ValueError, match=r"'ERR_MADE_UP' is not a code of docs/errors\.md"):
        ProviderError("ERR_MADE_UP", "")


@pytest.mark.parametrize("seconds", [float("inf"), float("nan"), -1.0])
def test_what_is_no_time_to_wait_is_none(seconds: float) -> None:
    assert ProviderError("ERR_RATE_LIMITED", "slow down", retry_after=seconds).retry_after is None


def test_every_code_of_the_table_can_be_raised_by_some_code() -> None:
    sources = [path for folder in ("theoryctl", "providers") for path in (ROOT / folder).rglob("*.py")]
    text = "".join(path.read_text() for path in sources if path.name != "errors.py" or "providers" not in path.parts)
    assert [code for code in ERRORS if f'"{code}"' not in text] == []


def test_a_config_never_shows_its_secrets() -> None:
    assert "sk-canary" not in repr(ProviderConfig(secrets={"KEY": "sk-canary"}))


def test_outputs_come_sorted_by_name_and_unknown_usage_is_null() -> None:
    outputs: list[Any] = [{"name": "b"}, {"name": "a"}]
    envelope = build_envelope(error=None, ref="llm/mock@1", outputs=outputs, stopwatch=Stopwatch())
    assert [output["name"] for output in envelope["outputs"]] == ["a", "b"]
    assert set(envelope["usage"].values()) == {None}
    assert envelope["status"] == "success"
