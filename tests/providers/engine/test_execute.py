"""The one path of every request."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import jsonschema_rs
import pytest

from tests.conftest import NO_DETAILS, ROOT
from theoryctl_providers import LLMProvider, get_llm_provider
from theoryctl_providers.contract import (
    Delta,
    Envelope,
    Event,
    Finish,
    Log,
    Mode,
    Output,
    ProviderConfig,
    ProviderError,
    Request,
    ResolvedRequest,
    Result,
    SecretRule,
    Started,
    Usage,
)
from theoryctl_providers.engine.drive import drive
from theoryctl_providers.engine.execute import execute

SCHEMA = json.loads((ROOT / "docs" / "envelope.schema.json").read_text())
HERE = "test_engine_providers"
ASK = {"model": "acme/one", "messages": [{"role": "user", "content": "Hi"}]}


class Acme(LLMProvider):
    """A third party's provider: everything in one class."""

    def __init__(self) -> None:
        self.seen: list[Request] = []

    async def stream(self, request: Request) -> AsyncGenerator[Event]:
        self.seen.append(request)
        await asyncio.sleep(0)
        for piece in ("one ", "two"):
            yield Delta(text=piece)
        yield Output("picture", "application/json", {"b": 1, "a": [1.0]})
        yield Usage(3, 2, 0.5)
        yield Finish()


class Talker(LLMProvider):
    """Says its key wherever a text can be."""

    def notes(self, request: ResolvedRequest) -> list[str]:
        return [f"your key is {request.config.secrets['ACME_KEY']}"]

    async def stream(self, request: ResolvedRequest) -> AsyncGenerator[Event]:
        key = request.config.secrets["ACME_KEY"]
        yield Log(key)
        failure = ProviderError("ERR_INPUTS", key, hint=key, param=key)
        failure.vendor_code = key
        raise failure


class Flaky(LLMProvider):
    """Fails with the given errors first, then answers."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self.calls = 0

    async def stream(self, request: Request) -> AsyncGenerator[Event]:
        self.calls += 1
        await asyncio.sleep(0)
        if self.errors:
            raise self.errors.pop(0)
        yield Delta(text="at last")
        yield Finish()


class Slow(LLMProvider):
    async def stream(self, request: Request) -> AsyncGenerator[Event]:
        yield Delta(text="wait")
        await asyncio.sleep(60)


class Plain(LLMProvider):
    """Its events are an async iterator and no more."""

    def stream(self, request: Request) -> AsyncIterator[Event]:
        return Countdown([Delta(text="plain"), Finish()])


class Countdown:
    def __init__(self, events: list[Event]) -> None:
        self.left = iter(events)

    def __aiter__(self) -> Countdown:
        return self

    async def __anext__(self) -> Event:
        for event in self.left:
            return event
        raise StopAsyncIteration


class Picky(LLMProvider):
    """Must not even be prepared for a request that is refused."""

    loads = "something heavy"

    def is_prepared(self, mode: Mode) -> bool:
        return False

    def prepare(self, mode: Mode) -> None:
        raise AssertionError("prepared for a request that was to be refused")

    def stream(self, request: Request) -> AsyncIterator[Event]:
        raise AssertionError("asked what was to be refused")


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Registers this module under an importable name, as an installed package of a third party would be."""
    monkeypatch.setitem(sys.modules, HERE, sys.modules[__name__])

    def get(name: str) -> Any:
        from theoryctl_providers import lookup

        lookup._loaded.pop(f"{HERE}:{name}", None)
        return get_llm_provider(f"{HERE}:{name}")

    return get


def request(name: str, inputs: Any = ASK, **options: Any) -> Request:
    more = {key: options.pop(key) for key in ("mode", "timeout") if key in options}
    return Request(config=ProviderConfig(provider=f"{HERE}:{name}", ref="acme/x@1", **options), inputs=inputs, **more)


def ends(events: list[Event]) -> Envelope:
    assert isinstance(events[-1], Result)
    assert sum(isinstance(event, Result) for event in events) == 1
    jsonschema_rs.validate(SCHEMA, dict(events[-1].envelope))
    return events[-1].envelope


def test_a_third_partys_provider_is_one_class_and_gets_a_resolved_request(provider: Any) -> None:
    acme = provider("Acme")
    envelope = ends(list(drive(execute(request("Acme", {**ASK, "mode": "real"})))))
    assert envelope["status"] == "success"
    assert [output["name"] for output in envelope["outputs"]] == ["answer", "finish_reason", "picture"]
    assert envelope["outputs"][0]["text"] == "one two"
    assert envelope["outputs"][2]["size"] == len('{"a":[1.0],"b":1}')
    assert envelope["usage"] == {"input_tokens": 3, "output_tokens": 2, "cost_usd": 0.5, **NO_DETAILS}
    (seen,) = acme.seen
    assert (type(seen), seen.mode, seen.model) == (ResolvedRequest, "real", "acme/one")
    assert ("mode" in seen.inputs, seen.inputs["model"]) == (False, "acme/one")


def test_nobody_has_to_guess_the_mode_of_a_resolved_request(provider: Any) -> None:
    acme = provider("Acme")
    list(drive(execute(request("Acme", default_model="acme/other", inputs={"messages": ASK["messages"]}))))
    assert (acme.seen[0].mode, acme.seen[0].model) == ("mock", "acme/other")


@pytest.mark.parametrize("mode", ["mock", "real"])
def test_an_async_iterator_is_all_that_a_provider_must_give(provider: Any, mode: str) -> None:
    provider("Plain")
    envelope = ends(list(drive(execute(request("Plain", {**ASK, "mode": mode})))))
    assert (envelope["status"], envelope["outputs"][0]["text"]) == ("success", "plain")


def test_what_takes_long_is_announced_before_it_starts(provider: Any) -> None:
    class Heavy(Acme):
        loads = "a big library"

        def is_prepared(self, mode: Mode) -> bool:
            return False

    from theoryctl_providers import lookup

    made: Any = Heavy  # for mypy it is abstract: it inherits from a Protocol
    lookup._loaded[f"{HERE}:Heavy"] = made()
    events = list(drive(execute(request("Heavy"))))
    assert isinstance(events[0], Log) and "a big library" in events[0].message
    assert isinstance(events[1], Started)


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ({"messages": "x"}, "ERR_INPUTS"),
        ({**ASK, "messages": [{"role": "user", "content": {"$attach": "a"}}]}, "ERR_ATTACHMENT"),
    ],
)
def test_bad_inputs_are_refused_before_anything_is_loaded(provider: Any, inputs: Any, code: str) -> None:
    provider("Picky")
    (event,) = drive(execute(request("Picky", inputs)))
    assert ends([event])["error"]["code"] == code  # type: ignore[index]


def test_a_missing_secret_is_named_before_anything_is_loaded_and_an_empty_one_counts_as_missing(provider: Any) -> None:
    provider("Picky")
    rules = (
        SecretRule(name="A"),
        SecretRule(name="B"),
        SecretRule(name="C", models=("other/*",)),
        SecretRule(name="D"),
    )
    (event,) = drive(execute(request("Picky", mode="real", secret_rules=rules, secrets={"A": "  ", "D": "x"})))
    error = ends([event])["error"]
    assert error is not None
    assert error["code"] == "ERR_MISSING_SECRET"
    assert "A, B" in error["message"] and "C" not in error["message"] and "D" not in error["message"]
    assert error["hint"] == "set A and B"


def test_mock_mode_needs_no_secret(provider: Any) -> None:
    provider("Acme")
    rules = (SecretRule(name="A"),)
    assert ends(list(drive(execute(request("Acme", mode="mock", secret_rules=rules)))))["status"] == "success"


def test_a_passing_failure_is_tried_again_and_said(provider: Any) -> None:
    flaky = provider("Flaky")
    flaky.errors = [
        ProviderError("ERR_UNAVAILABLE", "down", retry_after=0.01),
        ProviderError("ERR_RATE_LIMITED", "slow", retry_after=0),
    ]
    events = list(drive(execute(request("Flaky", mode="real"))))
    assert ends(events)["status"] == "success"
    assert flaky.calls == 3
    assert [event.message for event in events if isinstance(event, Log)] == ["down; trying again", "slow; trying again"]


def test_a_failure_that_does_not_pass_is_reported_after_three_attempts(provider: Any) -> None:
    flaky = provider("Flaky")
    flaky.errors = [ProviderError("ERR_UNAVAILABLE", "down", retry_after=0) for _ in range(9)]
    error = ends(list(drive(execute(request("Flaky", mode="real")))))["error"]
    assert error is not None and (error["code"], error["retryable"], flaky.calls) == ("ERR_UNAVAILABLE", True, 3)


@pytest.mark.parametrize("retry_after", [100, 5])
def test_nobody_waits_for_a_retry_after_that_ends_later_than_the_time_allowed(
    provider: Any, retry_after: float
) -> None:
    flaky = provider("Flaky")
    flaky.errors = [ProviderError("ERR_RATE_LIMITED", "slow", retry_after=retry_after)]
    envelope = ends(list(drive(execute(request("Flaky", mode="real", timeout=2)))))
    assert envelope["error"] is not None and envelope["error"]["code"] == "ERR_RATE_LIMITED"
    assert (flaky.calls, envelope["meta"]["duration_ms"] < 1500) == (1, True)


def test_what_will_not_pass_is_not_tried_again(provider: Any) -> None:
    flaky = provider("Flaky")
    flaky.errors = [ProviderError("ERR_AUTH", "no")]
    assert ends(list(drive(execute(request("Flaky", mode="real")))))["error"]["code"] == "ERR_AUTH"  # type: ignore[index]
    assert flaky.calls == 1


def test_an_answer_that_does_not_end_in_time_is_err_timeout(provider: Any) -> None:
    provider("Slow")
    events = list(drive(execute(request("Slow", mode="real", timeout=0.2))))
    envelope = ends(events)
    assert envelope["error"] is not None and envelope["error"]["code"] == "ERR_TIMEOUT"
    assert "0.2 s" in envelope["error"]["message"]
    assert envelope["outputs"] == []


def test_a_bug_in_a_provider_is_err_provider_with_its_traceback_for_debugging_only(provider: Any) -> None:
    flaky = provider("Flaky")
    flaky.errors = [KeyError("sk-canary-123456")]
    events = list(drive(execute(request("Flaky", mode="real", secrets={"KEY": "sk-canary-123456"}))))
    error = ends(events)["error"]
    assert error is not None and error["code"] == "ERR_PROVIDER" and "KeyError" in error["message"]
    traces = [event for event in events if isinstance(event, Log)]
    assert len(traces) == 1 and traces[0].debug and "Traceback" in traces[0].message
    assert "sk-canary" not in str(events)


def test_text_of_a_class_that_is_not_unicode_is_the_classs_fault(provider: Any) -> None:
    from theoryctl_providers import lookup

    class Broken(Acme):
        async def stream(self, request: Request) -> AsyncGenerator[Event]:
            yield Delta(text="\ud800")

    made: Any = Broken  # for mypy it is abstract: it inherits from a Protocol
    lookup._loaded[f"{HERE}:Broken"] = made()
    error = ends(list(drive(execute(request("Broken")))))["error"]
    assert error is not None and error["code"] == "ERR_PROVIDER"


@pytest.mark.parametrize("key", ["sk-with\x07bell", "sk-with-é", "two\nlines-of-key"])
def test_a_key_with_characters_that_no_key_has_is_refused_before_it_is_sent(provider: Any, key: str) -> None:
    provider("Picky")
    rules = (SecretRule(name="A"),)
    error = ends(list(drive(execute(request("Picky", mode="real", secret_rules=rules, secrets={"A": key})))))["error"]
    assert error is not None and (error["code"], "A holds characters" in error["message"]) == (
        "ERR_MISSING_SECRET",
        True,
    )


@pytest.mark.parametrize(
    ("model", "code"), [("claude-3", "ERR_MODEL_NOT_FOUND"), ("grok", "ERR_MODEL_NOT_FOUND"), ("openai/", "ERR_INPUTS")]
)
def test_another_vendors_model_without_its_vendor_is_refused_before_litellm_is_loaded(model: str, code: str) -> None:
    config = ProviderConfig(provider="litellm", secrets={"OPENAI_API_KEY": "x" * 9})
    events = list(drive(execute(Request(config=config, inputs={**ASK, "model": model}, mode="real"))))
    assert ends(events)["error"]["code"] == code  # type: ignore[index]
    assert len(events) == 1


def test_outputs_that_do_not_fit_their_schema_are_an_error_and_kept(provider: Any) -> None:
    acme, schema = provider("Acme"), {"properties": {"picture": {"required": ["c"]}}}
    envelope = ends(list(drive(execute(request("Acme", mode="real", output_schema=schema)))))
    error = envelope["error"]
    assert error is not None
    assert error["code"] == "ERR_BAD_RESPONSE"
    assert "$.picture: 'c' is missing" in error["message"]
    assert [output["name"] for output in envelope["outputs"]] == ["answer", "finish_reason", "picture"]
    assert (envelope["usage"]["cost_usd"], len(acme.seen)) == (0.5, 1)


def test_a_key_is_gone_from_the_notes_of_a_provider_and_from_all_that_its_failure_says(provider: Any) -> None:
    provider("Talker")
    config = ProviderConfig(provider=f"{HERE}:Talker", mode="real", secrets={"ACME_KEY": "sk-canary-1234567890"})
    note, *_, result = drive(execute(Request(config=config, inputs=ASK, mode="real")))
    assert note == Log("your key is [ACME_KEY]")
    assert isinstance(result, Result) and result.cause is not None
    assert (result.cause.param, result.cause.vendor_code) == ("[ACME_KEY]", "[ACME_KEY]")
