"""Dates and ids that make no difference, to rules and to recordings."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mocks.scripted import answers, script
from theoryctl_providers import ProviderConfig, Request, Script, execute, run
from theoryctl_providers.contract import Delta, Finish, Recording, Recordings, Result
from theoryctl_providers.engine.drive import drive
from theoryctl_providers.mock.ignoring import Ignoring


@pytest.mark.parametrize(
    ("pattern", "text", "plain"),
    [
        ("dates", "Due 2026-11-26, at 10:30 AM.", "Due ‹dates›, at ‹dates›."),
        ("dates", "2026-11-26T10:30:25.123Z|2026-11-26 10:30", "‹dates›|‹dates›"),
        ("dates", "on 26 Nov 2026 or November 26, 2026 or 26.11.2026", "on ‹dates› or ‹dates› or ‹dates›"),
        ("dates", "version 1.2.3 of 12 apples", "version 1.2.3 of 12 apples"),
        ("ids", "id 123e4567-e89b-12d3-a456-426614174000", "id ‹ids›"),
        ("ids", "call_Ab12Cd34Ef and deadbeefdeadbeef", "‹ids› and ‹ids›"),
        ("ids", "read_something_longer and well-known", "read_something_longer and well-known"),
        ("numbers", "3 apples for 1.50, not v2", "‹numbers› apples for ‹numbers›, not v2"),
        ("h.llo", "hello. Hello? hallo! **hullo**: hello.x", "‹h.llo›. Hello? ‹h.llo›! **‹h.llo›**: hello.x"),
        ("h.llo.", "hello. hello? hello", "‹h.llo.› ‹h.llo.› hello"),
        ("run-[0-9]+", "“run-1”, `run-2`… – run-3。", "“‹run-[0-9]+›”, `‹run-[0-9]+›`… – ‹run-[0-9]+›。"),
        ("run-[0-9]+", 'see run-12, (run-13) and "run-1x"', 'see ‹run-[0-9]+›, (‹run-[0-9]+›) and "run-1x"'),
    ],
)
def test_what_is_ignored_is_the_mark_of_its_kind(pattern: str, text: str, plain: str) -> None:
    assert Ignoring((pattern,)).text(text) == plain


def test_rules_match_whatever_the_date_is() -> None:
    rule = {"when": {"user": {"equals": "Today is 2026-01-01."}}, **answers({"text": "yes"})}
    ask = {"messages": [{"role": "user", "content": "Today is 2031-12-24."}]}
    assert run(ask, script=script(rule, ignore=["dates"]))["outputs"][0]["text"] == "yes"
    assert run(ask, script=script(rule))["outputs"][0]["text"] != "yes"


@pytest.mark.parametrize(
    ("prompt", "fits"),
    [("cancel order_Ab12Cd34", "cancel"), ("report of 2026-05-01", "date"), ("all of 2026", "year")],
)
def test_a_rule_about_a_date_does_not_fit_an_id(prompt: str, fits: str) -> None:
    contained = {"2026-05-01": "date", "cancel": "cancel", "2026": "year"}
    rules = [{"when": {"user": {"contains": part}}, **answers({"text": text})} for part, text in contained.items()]
    ask = {"messages": [{"role": "user", "content": prompt}]}
    assert run(ask, script=script(*rules, ignore=["dates", "ids"]))["outputs"][0]["text"] == fits


def test_the_year_of_a_date_that_is_ignored_is_still_found() -> None:
    rule = {"when": {"user": {"contains": "2026"}}, **answers({"text": "yes"})}
    ask = {"messages": [{"role": "user", "content": "report of 2026-05-01"}]}
    assert run(ask, script=script(rule, ignore=["dates"]))["outputs"][0]["text"] == "yes"


PICTURE = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
LINK = {"type": "image_url", "image_url": {"url": "https://example.com/2026-05-01/call_Ab12Cd34/7"}}


@pytest.mark.parametrize(
    "asked",
    [
        {"model": "openai/gpt-4o-2024-05-13"},
        {"messages": [{"content": {"$attach": "a", "digest": PICTURE}}]},
        {"messages": [{"content": [LINK]}]},
        {"messages": [{"tool_calls": [{"function": {"name": "read_file0001"}}]}]},
        {"tools": [{"function": {"name": "read_file0001"}}]},
        {"response_format": {"json_schema": {"name": "of 2026-05-01"}}},
    ],
)
def test_what_is_no_text_stays_as_it_is(asked: Any) -> None:
    assert Ignoring(("dates", "ids", "numbers")).inputs(asked) == asked


def test_the_texts_of_messages_and_embeddings_make_none() -> None:
    ignoring = Ignoring(("ids",))
    said = {"tool_calls": [{"id": "call_Ab12Cd34", "function": {"name": "f", "arguments": '{"a": "call_Ab12Cd34"}'}}]}
    parts = {"content": [{"type": "text", "text": "of call_Ab12Cd34"}], "tool_call_id": "call_Ab12Cd34"}
    marked = str(ignoring.inputs({"messages": [said, parts], "input": ["call_Ab12Cd34"]}))
    assert (marked.count("‹ids›"), "Ab12" in marked) == (5, False)


def test_a_recording_of_another_model_does_not_answer() -> None:
    found = Recordings([recording("Hi 1", "of gpt-4")])
    assert replayed(found, "Hi 2", ignore=["numbers"]) == "of gpt-4"
    assert replayed(found, "Hi 1", "openai/gpt-5", ignore=["numbers"]) == "ERR_REPLAY_MISS"


def asking(content: Any, model: str = "openai/gpt-4") -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}], "model": model}


def recording(content: Any, said: str) -> Recording:
    inputs = asking(content)
    events = (Delta(0, said), Finish(0, "stop"))
    key = Recording.key_for("chat", inputs)
    return Recording(key=key, operation="chat", model=inputs["model"], inputs=inputs, events=events)


def replayed(recordings: Recordings, content: str, model: str = "openai/gpt-4", **more: Any) -> Any:
    told = ProviderConfig(provider="mock", replay=recordings, script=Script.load(more) if more else None)
    (*_, last) = drive(execute(Request(config=told, inputs=asking(content, model), mode="mock")))
    assert isinstance(last, Result)
    error = last.envelope["error"]
    return last.envelope["outputs"][0]["text"] if error is None else error["code"]


def test_a_recording_is_found_whatever_the_date_is() -> None:
    found = Recordings([recording("It is 2026-01-01.", "new year"), recording("It is late.", "go to bed")])
    assert replayed(found, "It is 2026-11-26.") == "ERR_REPLAY_MISS"
    assert replayed(found, "It is 2026-11-26.", ignore=["dates"]) == "new year"
    assert replayed(found, "It is 2026-11-26, and late.", ignore=["dates"]) == "ERR_REPLAY_MISS"


def test_a_recording_is_found_whatever_the_word_is_that_ends_its_sentence() -> None:
    assert replayed(Recordings([recording("See build 42.", "seen")]), "See build 43.", ignore=[r"4\d"]) == "seen"


def test_of_recordings_that_differ_in_a_date_alone_each_is_played_once_and_the_last_again() -> None:
    found = Recordings([recording("On 2026-01-01", "first"), recording("On 2026-01-02", "second")])
    assert [replayed(found, "On 2026-11-26", ignore=["dates"]) for _ in range(3)] == ["first", "second", "second"]


def test_a_strict_script_leaves_to_the_recordings_what_no_rule_fits() -> None:
    found, rule = Recordings([recording("Hi", "recorded")]), {"when": {"turn": 9}, **answers({"text": "scripted"})}
    assert replayed(found, "Hi", rules=[rule], strict=True) == "recorded"


def test_a_pattern_that_is_none_is_the_scripts_fault() -> None:
    assert replayed(Recordings([recording("Hi", "recorded")]), "Ho", ignore=["(a"]) == "ERR_SCRIPT"
