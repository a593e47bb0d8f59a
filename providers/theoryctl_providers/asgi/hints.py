"""Hints for callers over HTTP: in terms of headers and fields of the body."""

from __future__ import annotations

from collections.abc import Mapping

from theoryctl_providers.contract import Remedy

#: For a body that has a vendor's form, and so no place for what is ours.
_HEADERS: dict[str, str] = {
    Remedy.MORE_TIME: "raise resources.timeout in the manifest, and start the instance again",
    Remedy.MOCK_MODE: "send the header X-Theoryctl-Mode: mock, or ask another provider",
    Remedy.EITHER_MODE: "send the header X-Theoryctl-Mode with mock or real",
}

#: When a secret that is set is there: an instance has those of its start.
RESTARTED = ", and start the instance again"


def in_headers(code: str, hint: str | None, renewal: str = RESTARTED) -> str | None:
    """The hint of an error for whoever speaks a vendor's format. `renewal` ends the hint to set a secret."""
    return in_words(_HEADERS, code, hint, renewal)


def in_words(words: Mapping[str, str], code: str, hint: str | None, renewal: str = RESTARTED) -> str | None:
    """The hint of an error in a dialect's `words` for a remedy. `renewal` ends the hint to set a secret."""
    return f"{hint}{renewal}" if code == "ERR_MISSING_SECRET" and hint else words.get(hint or "", hint)
