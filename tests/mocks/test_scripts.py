"""Scripts in the engine: which rule answers, with what, and how it fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

import pytest

from tests.conftest import NO_DETAILS
from theoryctl.authored.script_file import script_schema
from theoryctl_providers import Attachment, ProviderConfig, Request, Script, execute, run
from theoryctl_providers.contract import Delta, Event, Result, ScriptedFailure, ServerConfig, Started
from theoryctl_providers.engine.drive import drive
from theoryctl_providers.inputs.validate import problems_of

HI = {"messages": [{"role": "user", "content": "Hi there"}]}
TOOL = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}
PNG = Attachment(name="cat.png", path="", digest="sha256:" + "0" * 64, media_type="image/png", size=1)


def script(*rules: Any, **more: Any) -> Script:
    return Script.load({"rules": rules, **more})


def answers(*given: Any, **more: Any) -> dict[str, Any]:
    return {"answers": given, **more}


def said(inputs: Any, script: Script, **more: Any) -> Any:
    """The answer's text or JSON."""
    (output,) = [output for output in run(inputs, script=script, **more)["outputs"] if output["name"] == "answer"]
    return output.get("text", output.get("json"))


def events(inputs: Any, script: Script, *, timeout: float | None = None) -> list[Event]:
    config = ProviderConfig(provider="litellm", script=script, default_model="openai/gpt-4o-mini")
    return list(drive(execute(Request(config=config, inputs=inputs, mode="mock", timeout=timeout))))


def code_of(last: Event) -> str | None:
    assert isinstance(last, Result)
    error = last.envelope["error"]
    return error and error["code"]


def failure(inputs: Any, script: Script, *, timeout: float | None = None) -> tuple[Any, Any]:
    """The error of the envelope, and the failure as it was raised."""
    result = events(inputs, script, timeout=timeout)[-1]
    assert isinstance(result, Result)
    assert result.envelope["status"] == "error" and result.envelope["outputs"] == []
    return result.envelope["error"], result.cause


CONVERSATION = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is the time?"},
    {"role": "assistant", "content": None, "tool_calls": [
        {"id": "c", "type": "function", "function": {"name": "clock", "arguments": "{}"}}]},
    {"role": "tool", "tool_call_id": "c", "content": "noon"},
]  # fmt: skip


@pytest.mark.parametrize(
    ("when", "fits"),
    [
        ({}, True),
        ({"model": "openai/*"}, True),
        ({"model": "anthropic/*"}, False),
        ({"user": {"equals": "What is the time?"}}, True),
        ({"user": {"equals": "What is the time"}}, False),
        ({"user": {"contains": "the time"}}, True),
        ({"user": {"contains": "noon"}}, False),
        ({"user": {"regex": "^what"}}, False),
        ({"user": {"regex": "(?i)^what .* time"}}, True),
        ({"user": {"contains": "What", "regex": "clock"}}, False),
        ({"turn": 2}, True),
        ({"turn": 1}, False),
        ({"tools": ["clock"]}, True),
        ({"tools": ["clock", "calendar"]}, False),
        ({"attachments": ["*.png"]}, True),
        ({"attachments": ["*.png", "*.pdf"]}, False),
        ({"model": "*", "turn": 2, "tools": ["clock"], "attachments": ["cat*"]}, True),
    ],
    ids=json.dumps,
)
def test_a_rule_answers_when_all_its_conditions_hold(when: Any, fits: bool) -> None:
    inputs = {"model": "openai/gpt-4o-mini", "messages": CONVERSATION, "tools": [TOOL]}
    text = said(inputs, script(answers({"text": "yes"}, when=when)), attachments=[PNG])
    assert text.startswith("yes" if fits else "Mock answer")


def test_the_first_rule_that_fits_answers() -> None:
    rules = [answers({"text": f"{n}"}, when={"user": {"contains": word}}) for n, word in enumerate(["x", "Hi", ""])]
    rules[2]["when"] = {}
    assert said(HI, script(*rules)) == "1"


@pytest.mark.parametrize(
    ("exhausted", "expected"),
    [("repeat", "abbbb"), ("restart", "ababa"), ("skip", "abzzz")],
)
def test_successive_calls_get_successive_answers(exhausted: str, expected: str) -> None:
    told = script(answers({"text": "a"}, {"text": "b"}, exhausted=exhausted), answers({"text": "z"}))
    assert "".join(said(HI, told) for _ in expected) == expected


def test_a_script_that_is_loaded_anew_is_at_its_beginning() -> None:
    told = script(answers({"text": "a"}, {"text": "b"}))
    assert said(HI, told) == "a"
    assert [said(HI, Script.load(told.dump())), said(HI, told)] == ["a", "b"]
    assert problems_of(json.loads(json.dumps(told.dump())), script_schema()) == []


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([], "$: expected an object, got an array"),
        ({}, "$.rules: expected a value, got no such key"),
        ({"rules": []}, "$.rules: expected a length of at least 1, got 0"),
        ({"rules": [{"answers": [{"txt": "a"}]}]}, "$.rules[0].answers[0].txt: expected one of text, json"),
        ({"rules": [{"answers": [{"text": 5}]}]}, "$.rules[0].answers[0].text: expected a text, got an integer"),
        ({"rules": [{"answers": [{"text": "a", "delay": "1"}]}]}, "$.rules[0].answers[0].delay: expected a number"),
        (
            {"rules": [{"answers": [{"text": "a", "delay": -1}]}]},
            "$.rules[0].answers[0].delay: expected at least 0, got -1",
        ),
        (
            {"rules": [{"when": {"turn": True}, "answers": [{"text": "a"}]}]},
            "$.rules[0].when.turn: expected an integer, got true",
        ),
        ({"rules": [{"when": {"tools": "f"}, "answers": [{"text": "a"}]}]}, "$.rules[0].when.tools: expected an array"),
        ({"rules": [{"answers": [{"text": "a"}], "exhausted": "stop"}]}, "$.rules[0].exhausted: expected 'repeat' or"),
        (
            {"rules": [{"when": {"user": {"contains": None}}, "answers": [{"text": "a"}]}]},
            "$.rules[0].when.user.contains: expected a value, or no such key, got null",
        ),
        ({"rules": [{"answers": [{"text": "a", "json": None}]}]}, "$.rules[0].answers[0].json: expected a value"),
        ({"rules": [{"answers": [{}]}]}, "$.rules[0].answers[0]: found no answer"),
        ({"rules": [{"answers": [{"text": "a", "json": 1}]}]}, "$.rules[0].answers[0].json: found beside text"),
    ],
)
def test_what_is_no_script_is_refused_with_the_place(document: Any, says: str) -> None:
    with pytest.raises(ValueError) as caught:
        Script.load(document)
    assert str(caught.value).startswith(says)


def test_a_pattern_that_is_none_is_the_scripts_fault() -> None:
    told = script(answers({"text": "x"}, when={"user": {"regex": "(?=a)"}}))
    assert failure(HI, told)[0]["code"] == "ERR_SCRIPT"


def test_a_server_is_told_the_script_as_it_is() -> None:
    told = script(
        answers(
            {"chunks": [{"text": "a", "delay": 0.5}], "usage": {"cost_usd": 1.5}, "finish_reason": "length"},
            {"fault": {"kind": "truncate", "after": 1}, "tool_calls": [{"name": "f", "arguments": "{"}]},
            when={"user": {"regex": "é"}, "tools": ["f"], "attachments": ["*"], "turn": 1, "model": "m"},
            name="all there is",
        ),
        strict=True,
    )
    config = ServerConfig(provider=ProviderConfig(script=told), token="t" * 32)
    loaded = ServerConfig.load(config.dump()).provider.script
    assert loaded is not None and loaded.document == told.document


# -- what an answer is --


def test_an_answer_is_a_text_a_json_value_or_chunks() -> None:
    told = script(answers({"text": "a b"}, {"json": {"é": [1, None]}}, {"chunks": [{"text": "x "}, {"text": "y"}]}))
    assert [said(HI, told) for _ in range(3)] == ["a b", '{"é": [1, null]}', "x y"]
    shaped = {**HI, "response_format": {"type": "json_object"}}
    assert said(shaped, script(answers({"json": {"é": [1, None]}}))) == {"é": [1, None]}


def test_chunks_are_streamed_as_they_are_written() -> None:
    chunks = ["one ", "tw", "o"]
    told = script(answers({"chunks": [{"text": text} for text in chunks]}))
    assert [event.text for event in events(HI, told) if isinstance(event, Delta)] == chunks


def test_tool_calls_have_ids_that_depend_on_the_inputs_alone() -> None:
    calls = [
        {"name": "clock", "arguments": {"zone": "Zürich"}},
        {"name": "clock", "arguments": "{broken", "id": "mine"},
    ]
    told = script(answers({"text": "Let me see.", "tool_calls": calls}))
    first, second = run(HI, script=told), run(HI, script=told)
    assert first["outputs"] == second["outputs"]
    answer, finish, found = first["outputs"]
    assert (answer["text"], finish["text"]) == ("Let me see.", "tool_calls")
    assert [(call["name"], call["arguments"]) for call in found["json"]] == [
        ("clock", {"zone": "Zürich"}),
        ("clock", "{broken"),
    ]
    assert found["json"][0]["id"].startswith("call_") and found["json"][1]["id"] == "mine"


def test_usage_and_finish_reason_are_the_scripts_where_it_says_them() -> None:
    told = {"text": "a b", "usage": {"input_tokens": 7, "cost_usd": 0.25}, "finish_reason": "content_filter"}
    envelope = run(HI, script=script(answers(told)))
    assert envelope["usage"] == {"input_tokens": 7, "output_tokens": 2, "cost_usd": 0.25, **NO_DETAILS}
    assert envelope["outputs"][1]["text"] == "content_filter"
    mocks_own = run(HI)["usage"]["input_tokens"]
    assert run(HI, script=script(answers({"text": "a"})))["usage"]["input_tokens"] == mocks_own


def test_every_choice_gets_the_answer() -> None:
    outputs = run({**HI, "n": 2}, script=script(answers({"text": "same"})))["outputs"]
    assert {output["name"]: output["text"] for output in outputs} == {
        "answer": "same", "answer.1": "same", "finish_reason": "stop", "finish_reason.1": "stop"}  # fmt: skip


def test_delays_take_their_time_and_only_what_waits_needs_an_event_loop() -> None:
    slow = script(answers({"delay": 0.1, "chunks": [{"text": "a"}, {"text": "b", "delay": 0.1}]}))
    begun = time.monotonic()
    seen = events(HI, slow)
    assert 0.2 <= time.monotonic() - begun < 2
    assert [event.suspends for event in seen if isinstance(event, Started)] == [True]
    quick = events(HI, script(answers({"text": "a"})))
    assert [event.suspends for event in quick if isinstance(event, Started)] == [False]


def test_the_answers_do_not_depend_on_the_hash_seed() -> None:
    code = (
        "import json; from theoryctl_providers import Script, run\n"
        "told = {'rules': [{'when': {'tools': ['b', 'a']}, 'answers': [{'json': {'z': 1, 'a': 2},"
        " 'tool_calls': [{'name': 'f', 'arguments': {'z': 1, 'a': 2}}]}]}]}\n"
        "tools = [{'type': 'function', 'function': {'name': n}} for n in 'ab']\n"
        "inputs = {'messages': [{'role': 'user', 'content': 'x'}], 'tools': tools}\n"
        "print(json.dumps(run(inputs, script=Script.load(told))['outputs']))"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1 and b"call_" in printed.pop()


# -- faults --


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


# -- no rule --


def test_where_no_rule_fits_the_mock_answers_as_without_a_script() -> None:
    told = script(answers({"text": "x"}, when={"user": {"equals": "something else"}}))
    assert run(HI, script=told)["outputs"] == run(HI)["outputs"]


def test_a_strict_script_names_the_nearest_rule_and_what_it_wants() -> None:
    told = script(
        answers({"text": "x"}, when={"model": "nobody/*", "turn": 9}),
        answers({"text": "x"}, when={"model": "openai/*", "user": {"contains": "bye"}}, name="farewell"),
        strict=True,
    )
    error, _ = failure(HI, told)
    assert error["code"] == "ERR_SCRIPT_MISS"
    assert 'the nearest is rule 2 (farewell), which wants user.contains: "bye"' in error["message"]
    assert 'found model openai/gpt-4o-mini, turn 1, user "Hi there"' in error["message"]


def test_a_strict_script_whose_answers_are_used_up_says_so() -> None:
    told = script(answers({"text": "x"}, exhausted="skip"), strict=True)
    assert said(HI, told) == "x"
    assert "an answer that is left" in failure(HI, told)[0]["message"]


def test_bad_inputs_are_refused_whatever_the_script_says() -> None:
    told = script(answers({"text": "x"}))
    assert failure({"mesages": []}, told)[0]["code"] == "ERR_INPUTS"
    assert said(HI, told) == "x"


@pytest.mark.parametrize("asked", [{"logprobs": True}, {"modalities": ["audio"]}, {"audio": {"voice": "x"}}], ids=str)
def test_what_no_answer_carries_is_refused_by_a_script_as_by_the_mock_and_takes_no_answer(
    asked: dict[str, Any],
) -> None:
    told = script(answers({"text": "one"}, {"text": "two"}))
    error, _ = failure({**HI, **asked}, told)
    assert (error["code"], error["hint"]) == ("ERR_UNSUPPORTED_PARAM", f"leave {next(iter(asked))} out")
    assert said(HI, told) == "one"


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"(a|aa)*$", r"^(a*)*b\b.*c$", r"(.*)(.*)(.*)(.*)(.*)x"])
def test_no_pattern_can_hang_a_server(pattern: str) -> None:
    told = script(answers({"text": "x"}, when={"user": {"regex": pattern}}))
    begun = time.monotonic()
    said({"messages": [{"role": "user", "content": "a" * 200_000 + "!"}]}, told)
    assert time.monotonic() - begun < 5


def test_real_mode_knows_nothing_of_a_script() -> None:
    config = ProviderConfig(provider="mock", script=script(answers({"text": "x"})))
    result = list(drive(execute(Request(config=config, inputs=HI, mode="real"))))[-1]
    assert code_of(result) == "ERR_UNSUPPORTED_PARAM"


# -- what vendors say besides text ------------------------------------------------------------------------------------

SOURCE = {"url": "https://example.com", "title": "Example"}
LOGPROBS = {
    "content": [{"token": "Yes", "logprob": -0.1, "bytes": [89, 101, 115], "top_logprobs": []}],
    "refusal": None,
}


def outputs_of(told: dict[str, Any], **inputs: Any) -> dict[str, Any]:
    """The outputs of a scripted answer, by name."""
    outputs = run({**HI, **inputs}, script=script(answers(told)))["outputs"]
    return {output["name"]: output.get("json", output.get("text")) for output in outputs}


def test_reasoning_comes_before_the_text_and_is_an_output_of_its_own() -> None:
    told = {"text": "42", "reasoning": "Six times seven."}
    assert outputs_of(told) == {"answer": "42", "reasoning": "Six times seven.", "finish_reason": "stop"}
    deltas = [event for event in events(HI, script(answers(told))) if isinstance(event, Delta)]
    assert [delta.text for delta in deltas][-1] == "42"
    assert "".join(delta.reasoning or "" for delta in deltas[:-1]) == "Six times seven."


def test_a_refusal_is_an_answer_without_a_text() -> None:
    assert outputs_of({"refusal": "I will not."}) == {"refusal": "I will not.", "finish_reason": "stop"}


def test_sources_are_annotations_in_openais_words() -> None:
    found = outputs_of({"text": "See [1]", "annotations": [SOURCE]})
    assert found["annotations"] == [{"type": "url_citation", "url_citation": SOURCE}]


def test_details_of_usage_are_the_scripts() -> None:
    usage = {"cached_input_tokens": 3, "cache_write_tokens": 2, "reasoning_tokens": 1}
    envelope = run(HI, script=script(answers({"text": "a", "usage": usage})))
    assert {name: envelope["usage"][name] for name in usage} == usage  # type: ignore[literal-required]


def test_log_probabilities_are_given_to_those_who_ask() -> None:
    told = {"text": "Yes", "logprobs": LOGPROBS}
    assert outputs_of(told, logprobs=True)["logprobs"] == LOGPROBS
    assert "logprobs" not in outputs_of(told)


def test_log_probabilities_that_no_script_has_are_refused() -> None:
    told = script({"when": {"turn": 1}, "answers": [{"text": "Yes"}]}, answers({"text": "No", "logprobs": LOGPROBS}))
    error, cause = failure({**HI, "logprobs": True}, told)
    assert (error["code"], cause.param) == ("ERR_UNSUPPORTED_PARAM", "logprobs")
