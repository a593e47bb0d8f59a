"""Every way a vendor can fail ends in the right code, after the right number of attempts, in time, without the key."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest

from tests.real import vendor as misbehaviour
from tests.real.conftest import ANTHROPIC, CANARY, LITELLM_WARNINGS, OPENAI, Ask, Call
from tests.real.dialects import Anthropic, OpenAI, whole_answer
from tests.real.vendor import Behaviour, Vendor, answers, echoes_the_key, fails, fails_until_a_date, first, streams
from theoryctl.errors import exit_status
from theoryctl_providers import ProviderError, run

pytestmark = [LITELLM_WARNINGS, pytest.mark.usefixtures("short_waits")]

both_vendors = pytest.mark.parametrize("model", [OPENAI, ANTHROPIC], ids=["openai", "anthropic"])

#: Exit status and retryability, as docs and scripts know them.
PROMISED: Mapping[str, tuple[int, bool]] = {
    "ERR_AUTH": (4, False),
    "ERR_QUOTA": (1, False),
    "ERR_PERMISSION": (4, False),
    "ERR_MODEL_NOT_FOUND": (1, False),
    "ERR_INPUTS": (3, False),
    "ERR_UNSUPPORTED_PARAM": (3, False),
    "ERR_CONTEXT_EXCEEDED": (1, False),
    "ERR_CONTENT_POLICY": (1, False),
    "ERR_TIMEOUT": (124, True),
    "ERR_RATE_LIMITED": (1, True),
    "ERR_UNAVAILABLE": (1, True),
    "ERR_BAD_RESPONSE": (1, True),
    "ERR_UNREACHABLE": (1, True),
}

#: Seconds a call may take beyond its time-out.
SLACK = 1.0


def assert_failed(call: Call, code: str) -> None:
    """The code, what goes with it, and nothing that must not be seen."""
    error = call.error
    assert error["code"] == code, error
    assert (exit_status(error), error["retryable"]) == PROMISED[code]
    assert error["hint"]
    assert call.envelope["status"] == "error"
    assert call.envelope["outputs"] == []
    assert_clean(call)


def assert_clean(call: Call) -> None:
    told = repr(call.events)
    assert CANARY not in told
    assert "Traceback" not in told


# -- statuses ---------------------------------------------------------------------------------------------------------


@both_vendors
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "ERR_INPUTS"),
        (401, "ERR_AUTH"),
        (402, "ERR_QUOTA"),
        (403, "ERR_PERMISSION"),
        (404, "ERR_MODEL_NOT_FOUND"),
        (413, "ERR_CONTEXT_EXCEEDED"),
        (422, "ERR_INPUTS"),
    ],
)
def test_a_refusal_is_final(ask: Ask, model: str, status: int, code: str) -> None:
    with Vendor(fails(status)) as vendor:
        call = ask(vendor.addresses, model)
    assert_failed(call, code)
    assert len(vendor.requests) == 1
    assert call.logs == []


@both_vendors
@pytest.mark.parametrize("retry_after", ["0.1", None], ids=["with Retry-After", "without Retry-After"])
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (408, "ERR_TIMEOUT"),
        (429, "ERR_RATE_LIMITED"),
        (500, "ERR_UNAVAILABLE"),
        (502, "ERR_UNAVAILABLE"),
        (503, "ERR_UNAVAILABLE"),
        (529, "ERR_UNAVAILABLE"),
    ],
)
def test_a_passing_failure_is_tried_three_times(
    ask: Ask, model: str, status: int, code: str, retry_after: str | None
) -> None:
    with Vendor(fails(status, retry_after=retry_after)) as vendor:
        call = ask(vendor.addresses, model)
    assert len(vendor.requests) == 3
    assert len(call.logs) == 2
    assert_failed(call, code)


@both_vendors
@pytest.mark.parametrize("status", [429, 503])
def test_a_failure_that_passes_leaves_no_trace_in_the_envelope(ask: Ask, model: str, status: int) -> None:
    with Vendor(first(2, fails(status, retry_after="0.1"))) as vendor:
        call = ask(vendor.addresses, model)
    assert call.outputs == {"answer": "Hello there!", "finish_reason": "stop"}
    assert call.envelope["usage"]["input_tokens"] == 9
    assert len(vendor.requests) == 3


# -- waiting ----------------------------------------------------------------------------------------------------------


def pauses(vendor: Vendor) -> list[float]:
    """Seconds between requests."""
    times = [request.at for request in vendor.requests]
    return [later - earlier for earlier, later in pairwise(times)]


@both_vendors
def test_retry_after_in_seconds_is_waited_for_and_no_longer(ask: Ask, model: str) -> None:
    with Vendor(first(2, fails(429, retry_after="0.4"))) as vendor:
        assert ask(vendor.addresses, model).outputs
    assert all(0.4 <= pause < 0.4 + SLACK for pause in pauses(vendor)), pauses(vendor)


@both_vendors
def test_retry_after_as_a_date_is_waited_for(ask: Ask, model: str) -> None:
    with Vendor(first(1, fails_until_a_date(503, seconds=1))) as vendor:
        assert ask(vendor.addresses, model).outputs
    (pause,) = pauses(vendor)
    assert 1 <= pause < 2 + SLACK


@both_vendors
@pytest.mark.parametrize("value", ["soon", "-1", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_retry_after_that_says_nothing_is_no_obstacle(ask: Ask, model: str, value: str) -> None:
    with Vendor(first(1, fails(429, retry_after=value))) as vendor:
        assert ask(vendor.addresses, model).outputs
    assert len(vendor.requests) == 2


@both_vendors
def test_a_retry_after_beyond_the_time_out_is_not_waited_for(ask: Ask, model: str) -> None:
    with Vendor(fails(429, retry_after="60")) as vendor:
        call = ask(vendor.addresses, model, timeout=3)
    assert_failed(call, "ERR_RATE_LIMITED")
    assert len(vendor.requests) == 1
    assert call.seconds < SLACK


def test_without_retry_after_the_waits_double(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the real waits
    with Vendor(fails(503)) as vendor:
        ask(vendor.addresses)
    earlier, later = pauses(vendor)
    assert 0.5 <= earlier < 1 + SLACK
    assert 1 <= later < 1.5 + SLACK


# -- silence ----------------------------------------------------------------------------------------------------------


@both_vendors
@pytest.mark.parametrize("behaviour", [misbehaviour.stalls_at_once, misbehaviour.stalls_midway])
def test_silence_ends_with_the_time_out(ask: Ask, model: str, behaviour: Behaviour) -> None:
    with Vendor(behaviour) as vendor:
        call = ask(vendor.addresses, model, timeout=1.5)
        assert len(vendor.requests) == 1
    assert_failed(call, "ERR_TIMEOUT")
    assert 1.4 < call.seconds < 1.5 + SLACK


@both_vendors
def test_all_attempts_share_one_time_out(ask: Ask, model: str) -> None:
    with Vendor(first(1, fails(503, retry_after="0.7"), then=misbehaviour.stalls_at_once)) as vendor:
        call = ask(vendor.addresses, model, timeout=1.5)
    assert_failed(call, "ERR_TIMEOUT")
    assert call.seconds < 1.5 + SLACK


# -- broken connections -----------------------------------------------------------------------------------------------


@both_vendors
def test_a_port_where_nobody_listens_is_unreachable(ask: Ask, model: str) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # bound, but not listening: connections are refused
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}"
        call = ask({"OPENAI_BASE_URL": f"{url}/v1", "ANTHROPIC_API_BASE": url}, model)
    assert_failed(call, "ERR_UNREACHABLE")
    assert len(call.logs) == 2


@both_vendors
@pytest.mark.parametrize("behaviour", [misbehaviour.hangs_up_at_once, misbehaviour.resets_at_once])
def test_a_connection_lost_before_the_answer_is_tried_three_times(ask: Ask, model: str, behaviour: Behaviour) -> None:
    with Vendor(behaviour) as vendor:
        call = ask(vendor.addresses, model)
    assert_failed(call, "ERR_UNREACHABLE")
    assert len(vendor.requests) == 3


@both_vendors
@pytest.mark.parametrize("behaviour", [misbehaviour.hangs_up_at_once, misbehaviour.resets_at_once])
def test_a_connection_lost_once_does_not_fail_the_call(ask: Ask, model: str, behaviour: Behaviour) -> None:
    with Vendor(first(1, behaviour)) as vendor:
        call = ask(vendor.addresses, model)
    assert call.outputs["answer"] == "Hello there!"
    # One retry, and ours: it is told of, and counts among the three.
    assert (len(vendor.requests), len(call.logs)) == (2, 1)


@both_vendors
@pytest.mark.parametrize(
    "behaviour",
    [
        misbehaviour.hangs_up_midway,
        misbehaviour.resets_midway,
        misbehaviour.sends_a_garbage_chunk,
        misbehaviour.ends_without_a_reason,
        misbehaviour.ends_abruptly,
    ],
)
def test_an_answer_that_breaks_off_is_no_success_and_is_not_asked_for_again(
    ask: Ask, model: str, behaviour: Behaviour
) -> None:
    with Vendor(behaviour) as vendor:
        call = ask(vendor.addresses, model)
    assert_failed(call, "ERR_BAD_RESPONSE")
    assert len(vendor.requests) == 1
    assert [delta.text for delta in call.deltas] == ["Hel"]


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


# -- what the body says -----------------------------------------------------------------------------------------------


def openai_error(message: str, code: str | None, kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def anthropic_error(message: str, kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


QUOTA = openai_error(
    "You exceeded your current quota, please check your plan and billing details.",
    "insufficient_quota",
    "insufficient_quota",
)
TOO_LONG = openai_error(
    "This model's maximum context length is 128000 tokens. However, your messages resulted in 130001 tokens.",
    "context_length_exceeded",
)
FILTERED = openai_error(
    "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
    "content_filter",
)
UNSAFE = openai_error("Your request was rejected as a result of our safety system.", "content_policy_violation")
PARAMETER = openai_error(
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    "unsupported_parameter",
)
VALUE = openai_error("Unsupported value: 'temperature' does not support 0.5 with this model.", "unsupported_value")
NO_MODEL = openai_error(
    "The model `gpt-9` does not exist or you do not have access to it.", "model_not_found", "invalid_request_error"
)
BROKE = anthropic_error("Your credit balance is too low to access the Anthropic API.")
TOO_LONG_A = anthropic_error("prompt is too long: 210000 tokens > 200000 maximum")
NO_MODEL_A = anthropic_error("model: claude-9", "not_found_error")


@pytest.mark.parametrize(
    ("model", "status", "body", "code"),
    [
        pytest.param(OPENAI, 429, QUOTA, "ERR_QUOTA", id="openai: no quota left"),
        pytest.param(OPENAI, 400, TOO_LONG, "ERR_CONTEXT_EXCEEDED", id="openai: too long"),
        pytest.param(OPENAI, 400, FILTERED, "ERR_CONTENT_POLICY", id="azure: filtered"),
        pytest.param(OPENAI, 400, UNSAFE, "ERR_CONTENT_POLICY", id="openai: unsafe"),
        pytest.param(OPENAI, 400, PARAMETER, "ERR_UNSUPPORTED_PARAM", id="openai: unknown parameter"),
        pytest.param(OPENAI, 400, VALUE, "ERR_UNSUPPORTED_PARAM", id="openai: unknown value"),
        pytest.param(OPENAI, 404, NO_MODEL, "ERR_MODEL_NOT_FOUND", id="openai: no such model"),
        pytest.param(OPENAI, 400, NO_MODEL, "ERR_MODEL_NOT_FOUND", id="openai: no such model, as 400"),
        pytest.param(OPENAI, 403, NO_MODEL, "ERR_MODEL_NOT_FOUND", id="openai: no such model, as 403"),
        pytest.param(ANTHROPIC, 400, BROKE, "ERR_QUOTA", id="anthropic: no credit left"),
        pytest.param(ANTHROPIC, 400, TOO_LONG_A, "ERR_CONTEXT_EXCEEDED", id="anthropic: too long"),
        pytest.param(ANTHROPIC, 404, NO_MODEL_A, "ERR_MODEL_NOT_FOUND", id="anthropic: no such model"),
    ],
)
def test_the_body_outranks_its_status(ask: Ask, model: str, status: int, body: dict[str, Any], code: str) -> None:
    with Vendor(fails(status, body=body)) as vendor:
        call = ask(vendor.addresses, model)
    assert_failed(call, code)
    assert len(vendor.requests) == 1


def test_a_rate_limit_that_names_the_billing_page_is_still_a_rate_limit(ask: Ask) -> None:
    # OpenAI's own words to accounts without a payment method.
    said = openai_error(
        "Rate limit reached for gpt-4o-mini in organization org-x on requests per min (RPM): Limit 3, Used 3, "
        "Requested 1. Please try again in 20s. You can increase your rate limit by adding a payment method to your "
        "account at https://platform.openai.com/account/billing.",
        "rate_limit_exceeded",
        "requests",
    )
    with Vendor(fails(429, body=said, retry_after="0.1")) as vendor:
        call = ask(vendor.addresses)
    assert_failed(call, "ERR_RATE_LIMITED")
    assert len(vendor.requests) == 3


@both_vendors
@pytest.mark.parametrize("body", [b"", b"<html>Bad Gateway</html>", b'{"error": "no"}', b"[]", b"\xff\xfe"])
@pytest.mark.parametrize(("status", "code"), [(401, "ERR_AUTH"), (502, "ERR_UNAVAILABLE")])
def test_an_error_body_in_no_format_at_all_changes_nothing(
    ask: Ask, model: str, status: int, code: str, body: bytes
) -> None:
    with Vendor(fails(status, body=body)) as vendor:
        assert_failed(ask(vendor.addresses, model), code)


# -- the key ----------------------------------------------------------------------------------------------------------


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
    [("gpt-4o-mini", "ERR_MODEL_NOT_FOUND"), ("nobody/nothing", "ERR_MODEL_NOT_FOUND"), ("/", "ERR_MODEL_NOT_FOUND")],
)
def test_a_model_without_a_known_vendor_is_refused_unasked(ask: Ask, model: str, code: str) -> None:
    with Vendor() as vendor:
        assert_failed(ask(vendor.addresses, model), code)
    assert vendor.requests == []
