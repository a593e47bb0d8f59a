"""Failures of a provider's own code, told as those of its class."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from theoryctl_providers.contract import ERRORS, ProviderError, Remedy
from theoryctl_providers.contract.answer import is_unicode

#: At most so many characters of a value are shown.
_SHOWN = 200


class ProviderCrash(ProviderError):
    """ProviderCrash is the failure of a provider's own code that raised what no provider may, its `__cause__`."""


class blamed:  # read as a word: with blamed(provider)
    """Let a provider's own code raise ProviderError, and make a `ProviderCrash` of anything else that is its fault.

    `part` is the method or attribute that is used inside; empty for the stream and its events.
    """

    __slots__ = ("_part", "_provider")

    def __init__(self, provider: object, part: str = "") -> None:
        self._provider, self._part = provider, part

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: Any, error: BaseException | None, _place: Any) -> None:
        if error is not None and is_fault(error):
            raise crash(self._provider, error, self._part) from error


def is_fault(error: BaseException) -> bool:
    """Return whether a provider's code raised what no provider may: anything but a sound ProviderError, Ctrl-C and the
    cancellation of the task that it runs in. SystemExit, too, must not end who calls it."""
    if isinstance(error, ProviderError):
        return _oddity(error) is not None
    if isinstance(error, (Exception, SystemExit, GeneratorExit)):
        return True
    return not isinstance(error, KeyboardInterrupt) and not _is_cancellation(error)


def crash(provider: object, error: BaseException, part: str = "") -> ProviderCrash:
    """Make the failure of a provider, or of a part of it, whose fault an exception is."""
    found = f"failed with {told(error)}; expected a ProviderError"
    if isinstance(error, ProviderError) and (odd := _oddity(error)) is not None:
        found = f"raised a ProviderError with {odd}"
    who = f"{name_of(provider)}.{part}" if part else name_of(provider)
    failure = ProviderCrash("ERR_PROVIDER", f"{who} {found}", hint=Remedy.TRACEBACK)
    failure.__cause__ = error
    return failure


def name_of(provider: object) -> str:
    """A provider's class as a manifest names it: `acme_echo:Echo`."""
    return f"{type(provider).__module__}:{type(provider).__qualname__}"


def shown(value: Any) -> str:
    """A value as text, as far as it fits an error."""
    try:
        text = repr(value)
    except Exception as error:  # the provider's own code
        text = f"a {type(value).__name__} whose repr fails with {type(error).__name__}"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def told(error: BaseException) -> str:
    """The class and the text of an exception, which may be of a class of the provider's own."""
    try:
        text = str(error)
    except Exception as other:
        text = f"(its text fails with {type(other).__name__})"
    return f"{type(error).__name__}: {text}"


def _is_cancellation(error: BaseException) -> bool:
    """Return whether the task that runs here was cancelled, and so nobody raised this by himself."""
    import asyncio

    try:
        task = asyncio.current_task()
    except RuntimeError:  # no event loop runs here
        return False
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def _oddity(error: ProviderError) -> str | None:
    """Return the first attribute of an error that is none of its type; None where all are."""
    for name, (fits, expected) in _ATTRIBUTES.items():
        try:
            found = getattr(error, name, None)
            odd = None if fits(found) else shown(found)
        except Exception as other:  # the provider's own code
            odd = told(other)
        if odd is not None:
            return f"{name} {odd}; expected {expected}"
    return None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and is_unicode(value)


def _is_text_or_none(value: Any) -> bool:
    return value is None or _is_text(value)


def _is_seconds(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and 0 <= value < math.inf)


def _are_headers(value: Any) -> bool:
    is_mapping = isinstance(value, Mapping)
    return value is None or (is_mapping and all(_is_text(text) for item in value.items() for text in item))


#: What fits each attribute of a ProviderError, which a class may have set after it was made, and what is expected.
_ATTRIBUTES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "code": (lambda found: isinstance(found, str) and found in ERRORS, "a code of docs/errors.md"),
    "message": (_is_text, "a text"),
    "hint": (_is_text_or_none, "a text or None"),
    "retryable": (lambda found: isinstance(found, bool), "True or False"),
    "retry_after": (_is_seconds, "seconds or None"),
    "param": (_is_text_or_none, "a text or None"),
    "vendor_code": (_is_text_or_none, "a text or None"),
    "headers": (_are_headers, "a mapping of str to str or None"),
}
