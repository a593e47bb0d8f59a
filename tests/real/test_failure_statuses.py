"""The status of a vendor's failure counts: without a body, beside its words, inside an answer, by whatever library."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.real.conftest import ANTHROPIC, CANARY, LITELLM_WARNINGS, OLLAMA, OPENAI, Ask, Asked
from tests.real.failing import assert_failed, both_vendors, openai_error
from tests.real.server import Conversation
from tests.real.vendor import Vendor, fails, says_lines

pytestmark = [LITELLM_WARNINGS, pytest.mark.usefixtures("foreign_variables", "only_loopback", "short_waits")]

both_ways = pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
statuses = pytest.mark.parametrize(
    ("status", "code"),
    [(400, "ERR_INPUTS"), (401, "ERR_AUTH"), (429, "ERR_RATE_LIMITED"), (503, "ERR_UNAVAILABLE")],
)


@both_ways
@both_vendors
@statuses
def test_a_failure_whose_body_breaks_off_has_its_status(
    ask: Ask, model: str, streamed: bool, status: int, code: str
) -> None:
    def breaks_off(talk: Conversation) -> None:
        talk._head(status, {"content_length": "500", "content_type": "application/json"})
        talk.raw(b'{"error": ')
        talk.hang_up()

    with Vendor(breaks_off) as vendor:
        call = ask(vendor.addresses, model, streamed=streamed, retries=False)
    assert_failed(call, code)
    assert f"answered {status} for {model}" in call.error["message"]
    assert len(vendor.requests) == 1


#: A status beside a failure's words, as Spring's and other servers write it, in place of them, and with no other word.
TOLD = [
    {"error": "Unauthorized", "status": 401},
    {"error": {"message": "no such key"}, "status_code": 401},
    {"error": {"message": "x", "status": None}, "code": 401},
    {"error": {"message": "x", "status": "error"}, "code": 401},
    {"error": 401},
    {"error": {"status": 401}},
    {"type": "error", "status": 401},
]


@pytest.mark.parametrize(
    "told",
    TOLD,
    ids=["beside a text", "beside an object", "beside none", "beside a word", "alone", "inside", "in the whole"],
)
@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
def test_a_failure_in_a_stream_has_the_status_that_it_says(asked: Asked, model: str, told: dict[str, Any]) -> None:
    assert_failed(asked(lambda talk: talk.stream([f"data: {json.dumps(told)}\n\n".encode()]), model), "ERR_AUTH")


@pytest.mark.parametrize("told", TOLD[:6])
def test_a_failure_in_a_stream_of_lines_has_the_status_that_it_says(asked: Asked, told: dict[str, Any]) -> None:
    assert_failed(asked(says_lines(told), OLLAMA), "ERR_AUTH")


def test_a_text_beside_a_word_that_is_no_status_is_the_vendors_failure(asked: Asked) -> None:
    error = asked(says_lines({"error": "CUDA out of memory", "status": "failed", "code": 7}), OLLAMA).error
    assert (error["code"], error["retryable"], "CUDA out of memory" in error["message"]) == (
        "ERR_UNAVAILABLE",
        False,
        True,
    )


def ask_beyond(ask: Ask, vendor: Vendor, prefix: str) -> Any:
    name = prefix.upper()
    secrets = {f"{name}_API_KEY": CANARY, f"{name}_API_BASE": f"{vendor.url}/v1"}
    return ask(secrets, f"{prefix}/m", streamed=False, retries=False)


@statuses
def test_a_failure_that_aiohttp_gets_has_its_status_and_its_words(ask: Ask, status: int, code: str) -> None:
    with Vendor(fails(status, retry_after="7", body=openai_error("the words of the vendor", None))) as vendor:
        call = ask_beyond(ask, vendor, "aiohttp_openai")
    assert_failed(call, code)
    assert f"answered {status} for aiohttp_openai/m" in call.error["message"]
    assert ("the words of the vendor" in call.error["message"]) == (status != 401)
    assert call.cause.retry_after == 7 or status != 429
    assert len(vendor.requests) == 1


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("prefix", ["ai21", "deepinfra", "custom_openai"])
def test_openais_client_asks_no_vendor_again_by_itself(ask: Ask, prefix: str, status: int) -> None:
    with Vendor(fails(status)) as vendor:
        ask_beyond(ask, vendor, prefix)
    assert len(vendor.requests) == 1
