"""Scripts in the engine: which rule answers, and what is no script."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.mocks.scripted import HI, answers, code_of, failure, said, script
from theoryctl_providers import Attachment, ProviderConfig, Request, Script, execute, run
from theoryctl_providers.authored.script_check import script_schema
from theoryctl_providers.contract import ServerConfig
from theoryctl_providers.engine.drive import drive
from theoryctl_providers.inputs.validate import problems_of

TOOL = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}
PNG = Attachment(name="cat.png", path="", digest="sha256:" + "0" * 64, media_type="image/png", size=1)

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
        ({"model": "gpt-4o-mini"}, True),
        ({"model": "gpt-*"}, True),
        ({"model": "gpt-4o"}, False),
        ({"model": "*"}, True),
        ({"model": "o*"}, False),
        ({"model": "openai*"}, False),
        ({"model": "[!g]*"}, False),
        ({"model": "*openai*/*"}, True),
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


def test_of_several_scripts_the_first_that_says_a_key_counts_also_where_it_says_the_default() -> None:
    said: dict[str, Any] = {"mock_version": 2, "seed": 0, "strict": False, "tools": "none"}
    other: dict[str, Any] = {"mock_version": 1, "seed": 7, "strict": True, "tools": "each"}
    rules = answers({"text": "a"})
    first, second, silent = script(rules, **said), script(rules, **other), script(rules)
    for scripts, expected in (((first, second), said), ((silent, second, first), other), ((silent, silent), {})):
        assert {name: value for name, value in Script.joined(scripts).dump().items() if name != "rules"} == expected


def test_a_script_that_is_loaded_anew_is_at_its_beginning() -> None:
    told = script(answers({"text": "a"}, {"text": "b"}))
    assert said(HI, told) == "a"
    assert [said(HI, Script.load(told.dump())), said(HI, told)] == ["a", "b"]
    assert problems_of(json.loads(json.dumps(told.dump())), script_schema()) == []


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([], "$: expected an object, got an array"),
        ({}, "$.rules: expected at least one rule, or tools"),
        ({"rules": []}, "$.rules: expected at least one rule, or tools"),
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
        (
            {"rules": [{"answers": [{}]}]},
            "$.rules[0].answers[0]: expected text, json, chunks, refusal, tool_calls or fault",
        ),
        (
            {"rules": [{"answers": [{"text": "a", "json": 1}]}]},
            "$.rules[0].answers[0].json: expected one of text, json and chunks, got it beside text",
        ),
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


def test_a_strict_script_never_names_a_rule_that_cannot_fire_as_the_nearest() -> None:
    hidden = {"when": {"user": {"equals": "Hi there", "contains": "x"}}, "name": "never", **answers({"text": "x"})}
    told = script({"when": {"turn": 2}, "name": "later", **answers({"text": "y"})}, hidden, strict=True)
    assert "the nearest is rule 1 (later)" in failure(HI, told)[0]["message"]
    assert "the nearest is rule 1 (never)" in failure(HI, script(hidden, strict=True))[0]["message"]


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
