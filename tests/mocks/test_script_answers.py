"""Answers of a script: texts, chunks, tool calls, usage, and what vendors say besides."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NO_DETAILS, REF, Cli
from tests.mocks.scripted import HI, answers, events, failure, said, script
from theoryctl_providers import run
from theoryctl_providers.contract import Delta, Started

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


SOURCE = {"url": "https://example.com", "title": "Example"}

LOGPROBS = {
    "content": [{"token": "Yes", "logprob": -0.1, "bytes": [89, 101, 115], "top_logprobs": []}],
    "refusal": None,
}


def outputs_of(told: dict[str, Any], **inputs: Any) -> dict[str, Any]:
    """The outputs of a scripted answer, by name."""
    outputs = run({**HI, **inputs}, script=script(answers(told)))["outputs"]
    return {output["name"]: output.get("json", output.get("text")) for output in outputs}


# -- what vendors say besides text ------------------------------------------------------------------------------------


def test_reasoning_comes_before_the_text_and_is_an_output_of_its_own() -> None:
    told = {"text": "42", "reasoning": "Six times seven."}
    assert outputs_of(told) == {"answer": "42", "reasoning": "Six times seven.", "finish_reason": "stop"}
    deltas = [event for event in events(HI, script(answers(told))) if isinstance(event, Delta)]
    assert [delta.text for delta in deltas][-1] == "42"
    assert "".join(delta.reasoning or "" for delta in deltas[:-1]) == "Six times seven."


def test_a_refusal_is_an_answer_without_a_text() -> None:
    assert outputs_of({"refusal": "I will not."}) == {"refusal": "I will not.", "finish_reason": "stop"}


def test_sources_are_annotations_in_openais_words() -> None:
    told = {**SOURCE, "start_index": 4, "end_index": 7}
    found = outputs_of({"text": "See [1]", "annotations": [told]})
    assert found["annotations"] == [{"type": "url_citation", "url_citation": told}]


def test_a_source_has_its_address_as_title_and_all_of_the_text_as_its_place_unless_told() -> None:
    found = outputs_of({"chunks": [{"text": "See "}, {"text": "[1]"}], "annotations": [{"url": "https://example.com"}]})
    made = {"url": "https://example.com", "title": "https://example.com", "start_index": 0, "end_index": 7}
    assert found["annotations"] == [{"type": "url_citation", "url_citation": made}]


def test_details_of_usage_are_the_scripts() -> None:
    usage = {"cached_input_tokens": 3, "cache_write_tokens": 2, "reasoning_tokens": 1}
    envelope = run(HI, script=script(answers({"text": "a", "usage": usage})))
    assert {name: envelope["usage"][name] for name in usage} == usage  # type: ignore[literal-required]


def test_log_probabilities_are_given_to_those_who_ask() -> None:
    told = {"text": "Yes", "logprobs": LOGPROBS}
    assert outputs_of(told, logprobs=True)["logprobs"] == LOGPROBS
    assert "logprobs" not in outputs_of(told)


def test_the_stop_sequence_that_ended_an_answer_is_an_output_of_each_choice() -> None:
    found = outputs_of({"text": "Yes", "stop_sequence": "END"}, n=2)
    assert (found["stop_sequence"], found["stop_sequence.1"], found["finish_reason"]) == ("END", "END", "stop")
    assert "stop_sequence" not in outputs_of({"text": "Yes"}, stop="END")


def test_people_see_the_answer_alone_and_not_the_stop_sequence_that_ended_it(cli: Cli, working_folder: Path) -> None:
    ran = cli("local", "run", "--ref", REF, "--prompt", "Hello", "-o", 'stop=" to"', "--save-first", "first.txt")
    assert ran.out.startswith("Mock answer") and ran.out.count("\n") == 1
    assert (working_folder / "first.txt").read_text() == ran.out.rstrip("\n")


@pytest.mark.parametrize("more", [{"finish_reason": "length"}, {"tool_calls": [{"name": "clock"}]}], ids=str)
def test_a_stop_sequence_goes_with_the_reason_stop_alone(more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"stop_sequence: expected the finish_reason stop beside it, got \w+"):
        script(answers({"text": "Yes", "stop_sequence": "END", **more}))


def test_log_probabilities_that_no_script_has_are_refused() -> None:
    told = script({"when": {"turn": 1}, "answers": [{"text": "Yes"}]}, answers({"text": "No", "logprobs": LOGPROBS}))
    error, cause = failure({**HI, "logprobs": True}, told)
    assert (error["code"], cause.param) == ("ERR_UNSUPPORTED_PARAM", "logprobs")
