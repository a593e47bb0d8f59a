"""The cost of a request whose usage does not say it."""

from __future__ import annotations

import pytest

from theoryctl.requests.billing import is_unbilled, paid
from theoryctl_providers.contract import Envelope, Mode, ProviderError, build_envelope, info_of

#: Failures before a vendor has made an answer.
UNBILLED = (
    *("ERR_ATTACHMENT", "ERR_AUTH", "ERR_CONTEXT_EXCEEDED", "ERR_INPUTS", "ERR_MISSING_SECRET", "ERR_MODEL_NOT_FOUND"),
    *("ERR_NOT_RUNNING", "ERR_OVERLOADED", "ERR_PERMISSION", "ERR_QUOTA", "ERR_RATE_LIMITED", "ERR_TOKEN"),
    *("ERR_TOO_LARGE", "ERR_UNAVAILABLE", "ERR_UNREACHABLE", "ERR_UNSUPPORTED_PARAM", "ERR_USAGE"),
)


def ended(code: str | None, mode: Mode | None = "real", cost: float | None = None) -> Envelope:
    """The envelope of a run that ended so; without a mode it failed before it had one."""
    error = None if code is None else info_of(ProviderError(code, "so it is"))
    envelope = build_envelope(error=error, ref="a/b@1", mode=mode)
    envelope["usage"]["cost_usd"] = cost
    return envelope


@pytest.mark.parametrize("code", UNBILLED)
@pytest.mark.parametrize("mode", ["real", None])
def test_a_failure_before_an_answer_costs_nothing(code: str, mode: Mode | None) -> None:
    assert (is_unbilled(ended(code, mode)), paid(ended(code, mode))) == (True, 0.0)


@pytest.mark.parametrize("code", [None, "ERR_TIMEOUT", "ERR_PROVIDER", "ERR_CONTENT_POLICY", "ERR_BAD_RESPONSE"])
@pytest.mark.parametrize("mode", ["real", None])
def test_nobody_knows_the_cost_of_what_a_vendor_may_have_answered(code: str | None, mode: Mode | None) -> None:
    assert (is_unbilled(ended(code, mode)), paid(ended(code, mode))) == (False, None)


@pytest.mark.parametrize("code", [None, "ERR_TIMEOUT"])
def test_a_mock_costs_nothing_also_where_it_replays_what_was_paid_before(code: str | None) -> None:
    assert (is_unbilled(ended(code, "mock")), paid(ended(code, "mock", cost=0.5))) == (True, 0.0)


@pytest.mark.parametrize("code", [None, "ERR_TIMEOUT", "ERR_AUTH"])
def test_a_cost_that_the_usage_says_is_what_was_paid(code: str | None) -> None:
    assert paid(ended(code, cost=0.5)) == 0.5
