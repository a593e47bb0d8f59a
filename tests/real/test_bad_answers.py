"""Answers that break the rules of their format, that fail halfway, or that the vendor withholds."""

from __future__ import annotations

import pytest

from tests.real import vendor as misbehaviour
from tests.real.conftest import ANTHROPIC, CANARY, LITELLM_WARNINGS, OPENAI, Ask
from tests.real.dialects import Anthropic, OpenAI, whole_answer
from tests.real.failing import assert_clean, assert_failed, both_vendors, openai_error
from tests.real.server import Behaviour, Conversation
from tests.real.vendor import Vendor, answers, fails, streams
from theoryctl_providers import ProviderError, run

pytestmark = [LITELLM_WARNINGS, pytest.mark.usefixtures("short_waits")]


# -- answers that are none --------------------------------------------------------------------------------------------


@both_vendors
@pytest.mark.parametrize(
    "behaviour",
    [misbehaviour.starts_with_a_garbage_chunk, misbehaviour.sends_a_web_page, misbehaviour.sends_nothing],
)
def test_an_answer_that_is_none_is_a_bad_response_and_may_have_been_paid_for(
    ask: Ask, model: str, behaviour: Behaviour
) -> None:
    with Vendor(behaviour) as vendor:
        call = ask(vendor.addresses, model)
    assert_failed(call, "ERR_BAD_RESPONSE")
    assert len(vendor.requests) == 1


@both_vendors
@pytest.mark.parametrize(
    "body",
    [b"Hello", b"event: error\ndata: {}\n\n", b'data: {"choices":\n\n', b"[" * 5_000],
    ids=["text", "event", "cut", "deep"],
)
def test_a_whole_answer_that_cannot_be_read_is_paid_for_once(ask: Ask, model: str, body: bytes) -> None:
    with Vendor(lambda talk: talk.send(200, body)) as vendor:
        call = ask(vendor.addresses, model, streamed=False)
    assert_failed(call, "ERR_BAD_RESPONSE")
    assert model in call.error["message"]
    assert len(vendor.requests) == 1


@both_vendors
def test_of_a_failure_no_more_is_read_than_is_told(ask: Ask, model: str) -> None:
    read_whole = []

    def fails(talk: Conversation) -> None:
        misbehaviour.fails_at_length(talk)
        read_whole.append(talk)

    with Vendor(fails) as vendor:
        call = ask(vendor.addresses, model)
    assert_failed(call, "ERR_INPUTS")
    assert "the prompt is too strange" in call.error["message"]
    assert (len(vendor.requests), read_whole) == (1, [])


@pytest.mark.parametrize("status", [201, 202, 204])
def test_an_unreadable_answer_of_another_status_of_success_is_paid_for_once_too(ask: Ask, status: int) -> None:
    with Vendor(lambda talk: talk.send(status, b"" if status == 204 else b"Hello")) as vendor:
        assert_failed(ask(vendor.addresses, streamed=False), "ERR_BAD_RESPONSE")
    assert len(vendor.requests) == 1


def test_an_answer_without_a_choice_is_a_bad_response(ask: Ask) -> None:
    with Vendor(misbehaviour.holds_nothing) as vendor:
        assert_failed(ask(vendor.addresses), "ERR_BAD_RESPONSE")
    assert len(vendor.requests) == 1


@pytest.mark.parametrize(
    ("model", "behaviour"),
    [(OPENAI, misbehaviour.says_null), (ANTHROPIC, misbehaviour.holds_nothing)],
    ids=["openai", "anthropic"],
)
def test_an_empty_answer_is_an_answer(ask: Ask, model: str, behaviour: Behaviour) -> None:
    with Vendor(behaviour) as vendor:
        call = ask(vendor.addresses, model)
    assert call.outputs == {"answer": "", "finish_reason": "stop"}
    assert len(vendor.requests) == 1


@both_vendors
@pytest.mark.parametrize(
    "behaviour", [fails(503), fails(429), misbehaviour.hangs_up_at_once], ids=["503", "429", "cut"]
)
def test_a_request_without_retries_is_tried_once(ask: Ask, model: str, behaviour: Behaviour) -> None:
    with Vendor(behaviour) as vendor:
        call = ask(vendor.addresses, model, retries=False)
    assert call.error["retryable"]
    assert (len(vendor.requests), call.logs) == (1, [])


@both_vendors
def test_a_vendor_that_says_not_to_try_again_is_believed(ask: Ask, model: str) -> None:
    with Vendor(fails(503, should_retry="false")) as vendor:
        call = ask(vendor.addresses, model)
    assert (call.error["code"], call.error["retryable"]) == ("ERR_UNAVAILABLE", False)
    assert len(vendor.requests) == 1


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (500, "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"),
        (501, "This server does not support tools."),
        (501, ""),
    ],
)
def test_what_a_server_cannot_do_stays_so(ask: Ask, status: int, message: str) -> None:
    with Vendor(fails(status, body=openai_error(message, None))) as vendor:
        call = ask(vendor.addresses)
    assert_failed(call, "ERR_UNSUPPORTED_PARAM")
    assert len(vendor.requests) == 1
    assert message in call.error["message"]


def test_the_vendors_parameter_and_code_are_passed_on(ask: Ask) -> None:
    body = openai_error("Invalid value.", "invalid_value")
    body["error"]["param"] = "messages[0].role"
    with Vendor(fails(400, body=body)) as vendor:
        cause = ask(vendor.addresses).cause
        inputs = {"model": OPENAI, "messages": [{"role": "user", "content": "Hi"}]}
        with pytest.raises(ProviderError) as caught:
            run(inputs, mode="real", provider="litellm", secrets={**vendor.addresses, "OPENAI_API_KEY": CANARY})
    for error in (cause, caught.value):
        assert (error.param, error.vendor_code) == ("messages[0].role", "invalid_value")


@both_vendors
def test_a_failure_told_inside_the_stream_is_the_vendors_and_is_tried_three_times(ask: Ask, model: str) -> None:
    with Vendor(misbehaviour.fails_inside_the_stream) as vendor:
        call = ask(vendor.addresses, model)
    assert len(vendor.requests) == 3
    assert_failed(call, "ERR_UNAVAILABLE")


@both_vendors
def test_a_failure_told_in_the_middle_of_the_answer_is_not_tried_again(ask: Ask, model: str) -> None:
    with Vendor(misbehaviour.fails_midway) as vendor:
        call = ask(vendor.addresses, model)
    assert len(vendor.requests) == 1
    assert_failed(call, "ERR_UNAVAILABLE")


@pytest.mark.parametrize(
    ("model", "reason"), [(OPENAI, "content_filter"), (ANTHROPIC, "refusal")], ids=["openai", "anthropic"]
)
def test_an_answer_withheld_by_the_vendors_filter_is_a_matter_of_policy(ask: Ask, model: str, reason: str) -> None:
    with Vendor(streams(lambda dialect: [*dialect.opening(), *dialect.closing(reason)])) as vendor:
        call = ask(vendor.addresses, model)
    assert_failed(call, "ERR_CONTENT_POLICY")
    assert len(vendor.requests) == 1


@pytest.mark.parametrize(
    ("model", "reason"), [(OPENAI, "length"), (ANTHROPIC, "max_tokens")], ids=["openai", "anthropic"]
)
def test_an_answer_cut_at_its_token_limit_is_a_success(ask: Ask, model: str, reason: str) -> None:
    with Vendor(streams(lambda dialect: [*dialect.opening(), dialect.text("Hel"), *dialect.closing(reason)])) as vendor:
        call = ask(vendor.addresses, model)
    assert call.outputs == {"answer": "Hel", "finish_reason": "length"}


# -- what comes back in order -----------------------------------------------------------------------------------------


@both_vendors
def test_an_answer_is_streamed_as_it_comes(ask: Ask, model: str) -> None:
    with Vendor() as vendor:
        call = ask(vendor.addresses, model)
    assert [delta.text for delta in call.deltas] == ["Hel", "lo the", "re!"]
    assert call.outputs == {"answer": "Hello there!", "finish_reason": "stop"}
    assert call.envelope["usage"]["input_tokens"] == 9
    assert call.envelope["usage"]["output_tokens"] == 3
    assert_clean(call)


def test_the_price_of_a_known_model_is_told(ask: Ask) -> None:
    with Vendor() as vendor:
        # 9 tokens at $0.15 and 3 at $0.60 a million, by openai.com/api/pricing.
        assert ask(vendor.addresses).envelope["usage"]["cost_usd"] == pytest.approx(9 * 0.15e-6 + 3 * 0.60e-6)


def test_text_that_is_not_unicode_is_a_bad_response(ask: Ask) -> None:
    lone = rb'data: {"choices": [{"index": 0, "delta": {"content": "\ud800"}, "finish_reason": null}]}' + b"\n\n"
    with Vendor(streams(lambda dialect: [*dialect.opening(), lone, *dialect.closing()])) as vendor:
        assert_failed(ask(vendor.addresses), "ERR_BAD_RESPONSE")


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [(['{"a"', ": 1}"], {"a": 1}), (['{"a"', ": "], '{"a": ')],
    ids=["whole", "cut short"],
)
def test_a_structured_answer_is_json_where_it_is_whole(ask: Ask, pieces: list[str], expected: object) -> None:
    with Vendor(answers(*pieces)) as vendor:
        call = ask(vendor.addresses, response_format={"type": "json_object"})
    assert call.outputs["answer"] == expected


@pytest.mark.parametrize("dialect", [OpenAI(), Anthropic()], ids=["openai", "anthropic"])
def test_the_vendor_of_these_tests_ends_every_event_with_an_empty_line(dialect: OpenAI | Anthropic) -> None:
    events = [*whole_answer(dialect, ["a"]), *dialect.empty(), dialect.error_event()]
    assert all(event.endswith(b"\n\n") for event in events)


@pytest.mark.parametrize(
    ("model", "code"),
    [("claude-sonnet-4-5", "ERR_MODEL_NOT_FOUND"), ("nobody/nothing", "ERR_MODEL_NOT_FOUND"), ("/", "ERR_INPUTS")],
)
def test_a_model_without_a_known_vendor_is_refused_unasked(ask: Ask, model: str, code: str) -> None:
    with Vendor() as vendor:
        assert_failed(ask(vendor.addresses, model), code)
    assert vendor.requests == []
