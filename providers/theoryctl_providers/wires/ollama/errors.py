"""Failures as Ollama says them: a status and `{"error": message}`."""

from __future__ import annotations

import json

from theoryctl_providers.contract import ERRORS
from theoryctl_providers.wires.failure import Failure

#: The status that Ollama has for one of our codes, where it is not that of our table (server/routes.go of Ollama).
_STATUSES = {"ERR_USAGE": 404, "ERR_OVERLOADED": 503, "ERR_CONTEXT_EXCEEDED": 400, "ERR_CONTENT_POLICY": 400}


def status_of(failure: Failure) -> int:
    """The status of a failure in place of an answer."""
    return failure.played_status or _STATUSES.get(failure.code) or ERRORS[failure.code].http_status


def error_line(failure: Failure) -> bytes:
    """Write a failure, in place of an answer or as a line in the middle of one."""
    return json.dumps({"error": failure.sentence}).encode() + b"\n"
