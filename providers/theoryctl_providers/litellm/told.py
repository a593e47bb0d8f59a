"""Failures that vendors tell in answers of status 200: in place of an answer, or in the middle of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Fields of a failure, or beside one, that may hold an HTTP status.
_STATUSES = ("code", "status", "status_code", "http_code")

#: Types and codes of failures by OpenAI, Anthropic and Google, by the status that they go with.
_TYPES = {
    529: ("overloaded",),
    429: ("rate_limit", "insufficient_quota", "resource_exhausted"),
    401: ("authentication", "invalid_api_key", "unauthenticated"),
    403: ("permission",),
    404: ("not_found",),
    413: ("request_too_large",),
    400: ("invalid_request", "invalid_argument", "context_length", "content_policy", "content_filter"),
}


class ToldInAnswer(Exception):
    """A failure that a vendor tells with status 200, in its own words: a text, or OpenAI's or another error object."""

    def __init__(self, error: Any) -> None:
        super().__init__(str(error))
        self.error = error


def told_in(document: Mapping[str, Any]) -> Any:
    """Return the failure that an object of an answer tells, with the status that stands beside it; None without one."""
    error = document.get("error")
    if not error:
        is_failure = document.get("choices") is None and "error" in (document.get("object"), document.get("type"))
        return dict(document) if is_failure else None
    if (beside := _status_in(document)) is None or (isinstance(error, Mapping) and _status_in(error) is not None):
        return error
    return {**(error if isinstance(error, Mapping) else {"message": error}), "status": beside}


def refuse_failure(document: Mapping[str, Any]) -> None:
    """Raise ToldInAnswer for a failure that a document in OpenAI's format tells, of the whole or of one choice."""
    choices = document.get("choices")
    for holder in (document, *(choices if isinstance(choices, list) else ())):
        if isinstance(holder, Mapping) and (error := told_in(holder) or _nameless(holder)):
            raise ToldInAnswer(error)


def _nameless(holder: Mapping[str, Any]) -> str | None:
    return "an error" if holder.get("finish_reason") == "error" else None


def status_of(error: Any) -> int:
    """The HTTP status that an error object means: it is said in it, or its type says it, else 500."""
    if not isinstance(error, Mapping):
        return _status(error) or 500
    if (status := _status_in(error)) is not None:
        return status
    said = f"{error.get('type')} {error.get('code')} {error.get('status')}".lower()
    return next((status for status, words in _TYPES.items() if any(word in said for word in words)), 500)


def _status_in(holder: Mapping[str, Any]) -> int | None:
    return next((status for name in _STATUSES if (status := _status(holder.get(name))) is not None), None)


def _status(value: Any) -> int | None:
    """The number of a failure's status; None for another value."""
    text = str(value)
    return int(text) if text.isdecimal() and 400 <= int(text) <= 599 else None
