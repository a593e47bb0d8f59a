"""Every way a vendor can fail ends in the right code, after the right number of attempts, in time."""

from __future__ import annotations

import socket
from itertools import pairwise

import pytest

from tests.real import vendor as misbehaviour
from tests.real.conftest import LITELLM_WARNINGS, Ask
from tests.real.failing import assert_failed, both_vendors
from tests.real.server import Behaviour
from tests.real.vendor import Vendor, fails, fails_until_a_date, first

pytestmark = [LITELLM_WARNINGS, pytest.mark.usefixtures("short_waits")]

#: Seconds a call may take beyond its time-out.
SLACK = 1.0


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


def pauses(vendor: Vendor) -> list[float]:
    """Seconds between requests."""
    times = [request.at for request in vendor.requests]
    return [later - earlier for earlier, later in pairwise(times)]


# -- waiting ----------------------------------------------------------------------------------------------------------


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
