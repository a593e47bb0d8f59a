"""A key that a vendor repeats is taken out, in errors and in answers, wherever it is cut."""

from __future__ import annotations

import pytest

from tests.real.conftest import CANARY, LITELLM_WARNINGS, OPENAI, Ask
from tests.real.dialects import OpenAI
from tests.real.failing import anthropic_error, assert_clean, both_vendors, openai_error
from tests.real.vendor import Vendor, answers, echoes_the_key, fails, streams

pytestmark = [LITELLM_WARNINGS, pytest.mark.usefixtures("short_waits")]


@both_vendors
@pytest.mark.parametrize("key", [CANARY, f"sk-proj-{CANARY}"], ids=["plain key", "sk- key"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
def test_a_key_quoted_in_an_error_is_not_passed_on(ask: Ask, model: str, key: str, status: int) -> None:
    with Vendor(fails(status, retry_after="0.1")) as vendor:
        call = ask(vendor.addresses, model, key=key)
    assert vendor.requests[0].headers.get("x-api-key", vendor.requests[0].headers.get("authorization", "")[7:]) == key
    assert_clean(call)


@both_vendors
def test_a_key_cut_short_by_our_own_quoting_is_not_passed_on(ask: Ask, model: str) -> None:
    message = "x" * (300 - len(CANARY) // 2) + CANARY
    body = openai_error(message, None) if model == OPENAI else anthropic_error(message)
    with Vendor(fails(400, body=body)) as vendor:
        call = ask(vendor.addresses, model)
    assert CANARY[:8] not in repr(call.events)


@both_vendors
@pytest.mark.parametrize("cuts", [(), (1,), (5, 9), tuple(range(1, len(CANARY)))], ids=["0", "1", "2", "each letter"])
def test_a_key_in_the_answer_is_taken_out_wherever_it_is_cut(ask: Ask, model: str, cuts: tuple[int, ...]) -> None:
    name = "OPENAI_API_KEY" if model == OPENAI else "ANTHROPIC_API_KEY"
    with Vendor(echoes_the_key(*cuts)) as vendor:
        call = ask(vendor.addresses, model)
    assert call.outputs["answer"] == f"Your key is [{name}], is it not?"
    assert "".join(delta.text or "" for delta in call.deltas) == call.outputs["answer"]


def test_the_beginning_of_a_key_at_the_end_of_an_answer_is_just_text(ask: Ask) -> None:
    with Vendor(answers("It begins with ", CANARY[:6])) as vendor:
        assert ask(vendor.addresses).outputs["answer"] == f"It begins with {CANARY[:6]}"


def test_a_key_in_one_choice_is_taken_out_though_another_ends_in_its_middle(ask: Ask) -> None:
    half = len(CANARY) // 2

    def two_choices(dialect: OpenAI) -> list[bytes]:
        return [
            dialect.text("no", choice=0),
            dialect.text(CANARY[:half], choice=1),
            dialect.finish(choice=0),
            dialect.text(CANARY[half:], choice=1),
            dialect.finish(choice=1),
            *dialect.usage(),
            dialect.end(),
        ]

    with Vendor(streams(two_choices)) as vendor:
        call = ask(vendor.addresses, n=2)
    assert call.outputs["answer.1"] == "[OPENAI_API_KEY]"


@pytest.mark.parametrize("place", ["arguments", "name", "id"])
def test_a_key_in_a_tool_call_is_taken_out(ask: Ask, place: str) -> None:
    said = {"arguments": "{}", "name": "look", "id": "call_1", place: f'{{"key": "{CANARY}"}}'}

    def tool_call(dialect: OpenAI) -> list[bytes]:
        function = {"name": said["name"], "arguments": said["arguments"][:12]}
        return [
            dialect.tool_call(index=0, id=said["id"], type="function", function=function),
            dialect.tool_call(index=0, function={"arguments": said["arguments"][12:]}),
            *dialect.closing("tool_calls"),
        ]

    with Vendor(streams(tool_call)) as vendor:
        call = ask(vendor.addresses)
    assert call.outputs["finish_reason"] == "tool_calls"
    assert_clean(call)
