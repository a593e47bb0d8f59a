"""The body of a vendor's error says more than its status."""

from __future__ import annotations

from typing import Any

import pytest

from tests.real.conftest import ANTHROPIC, LITELLM_WARNINGS, OPENAI, Ask
from tests.real.failing import anthropic_error, assert_failed, both_vendors, openai_error
from tests.real.vendor import Vendor, fails

pytestmark = [LITELLM_WARNINGS, pytest.mark.usefixtures("short_waits")]

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
