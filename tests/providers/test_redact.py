"""Secrets are taken out of what comes back, however it is cut into chunks."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from theoryctl_providers.contract import Delta, Event, Finish, ToolCallDelta
from theoryctl_providers.redact import Redactor

KEY = "sk-canary-1234567890"
SECRETS = {"OPENAI_API_KEY": KEY, "LLM_API_BASE": "short"}


def streamed(pieces: list[str]) -> str:
    redactor = Redactor(SECRETS)
    events: list[Event] = [event for piece in pieces for event in redactor.feed(Delta(text=piece))]
    events += redactor.flush()
    return "".join(event.text or "" for event in events if isinstance(event, Delta))


@given(st.text(), st.text(), st.lists(st.integers(0, 60)))
def test_a_key_is_gone_wherever_the_text_is_cut(before: str, after: str, cuts: list[int]) -> None:
    text = f"{before}{KEY}{after}"
    edges = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    pieces = [text[start:end] for start, end in pairwise(edges)]
    assert KEY not in streamed(pieces)
    assert streamed(pieces) == f"{before}[OPENAI_API_KEY]{after}"


@given(st.lists(st.text("sk-canry")))
def test_text_without_a_key_arrives_whole_and_in_order(pieces: list[str]) -> None:
    assert streamed(pieces) == "".join(pieces)


def test_a_key_inside_the_arguments_of_a_tool_call_is_gone_as_well() -> None:
    redactor = Redactor(SECRETS)
    pieces = [
        ToolCallDelta(0, id="1", name="f"),
        ToolCallDelta(0, '{"k": "sk-can'),
        ToolCallDelta(0, 'ary-1234567890"}'),
    ]
    events = [event for piece in pieces for event in redactor.feed(Delta(tool_call=piece))]
    text = "".join(event.tool_call.arguments for event in events if isinstance(event, Delta) and event.tool_call)
    assert text == '{"k": "[OPENAI_API_KEY]"}'


def test_what_was_held_back_comes_before_the_finish() -> None:
    redactor = Redactor(SECRETS)
    events = [*redactor.feed(Delta(text="see sk-")), *redactor.feed(Finish())]
    assert events == [Delta(text="see "), Delta(text="sk-"), Finish()]


def test_a_value_too_short_to_be_a_key_does_not_shred_the_text() -> None:
    assert Redactor(SECRETS).text("in short, yes") == "in short, yes"
