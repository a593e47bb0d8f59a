"""The end of the log of a server that did not start, as an error may show it."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable

from theoryctl_providers.contract import ERRORS, ErrorInfo, ServerConfig
from theoryctl_providers.contract.error_redactor import ErrorRedactor, hidden_parts
from theoryctl_providers.contract.json_text import cut

#: Lines of it that are shown, and characters of each.
_LINES, _LONGEST = 10, 1_000
#: The beginning of a refusal.
_REFUSAL = '{"code":'


def last_words(log: Iterable[str], told: ServerConfig) -> str:
    """Return the last lines of a log, to stand behind an error, without any secret that the server was told.

    A server may print whatever it reads, also what it read on standard input.
    """
    lines = [cut(line.rstrip("\n"), _LONGEST) for line in deque(log, _LINES)]
    if not lines:
        return "; its log is empty"
    clean = _redactor(told).text("\n".join(lines))
    return ":\n  " + clean.replace("\n", "\n  ")


def own_refusal(log: Iterable[str], told: ServerConfig) -> ErrorInfo | None:
    """Return the error that a server gave as its reason not to start, without secrets; None where it gave none.

    It is the end of the last line of its log, as `python -m theoryctl_providers` writes it: a provider may have begun
    that line.
    """
    try:
        last = deque(log, 1)[0]
        # No text in the object can hold its beginning, for there quotation marks are escaped (RFC 8259).
        said = json.loads(last[max(0, last.rfind(_REFUSAL)) :])
        code, message, hint = (said.pop(name) for name in ("code", "message", "hint"))
        is_one = code in ERRORS and isinstance(message, str) and isinstance(hint, str | None)
    except (IndexError, ValueError, LookupError, AttributeError, TypeError):
        return None
    if said or not is_one:
        return None
    text = _redactor(told).text
    return {
        "code": code,
        "message": text(message),
        "hint": None if hint is None else text(hint),
        "retryable": ERRORS[code].retryable,
    }


def _redactor(told: ServerConfig) -> ErrorRedactor:
    return ErrorRedactor(hidden_parts({**told.provider.hidden, **told.provider.secrets, "TOKEN": told.token}))
