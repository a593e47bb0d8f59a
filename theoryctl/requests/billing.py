"""The cost of a request, where its usage does not say it: which failures a vendor bills nothing for."""

from __future__ import annotations

from theoryctl_providers.contract import Envelope, is_mock

#: Failures that a vendor bills nothing for.
_CODES = """
ERR_ATTACHMENT ERR_AUTH ERR_CONTEXT_EXCEEDED ERR_INPUTS ERR_MISSING_SECRET ERR_MODEL_NOT_FOUND ERR_NOT_RUNNING
ERR_OVERLOADED ERR_PERMISSION ERR_QUOTA ERR_RATE_LIMITED ERR_TOKEN ERR_TOO_LARGE ERR_UNAVAILABLE ERR_UNREACHABLE
ERR_UNSUPPORTED_PARAM ERR_USAGE
"""
UNBILLED = frozenset(_CODES.split())


def is_unbilled(envelope: Envelope) -> bool:
    """Tell whether a call costs nothing where its usage does not say: of a mock, also one that replays what was paid
    before, or with a failure that no vendor bills."""
    error = envelope["error"]
    return is_mock(envelope["mode"] or "real") or (error is not None and error["code"] in UNBILLED)


def paid(envelope: Envelope) -> float | None:
    """Return the US dollars that a call has cost; None where nobody knows."""
    if is_mock(envelope["mode"] or "real"):  # a mock, or a recording of what was paid before
        return 0.0
    cost = envelope["usage"]["cost_usd"]
    return 0.0 if cost is None and is_unbilled(envelope) else cost
