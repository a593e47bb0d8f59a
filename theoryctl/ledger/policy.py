"""Policy of the ledger: which runs it keeps, by the setting `ledger`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from theoryctl.errors import UsageError

if TYPE_CHECKING:
    from theoryctl.settings import Settings

OFF = "off"
#: Words beside `off`: mock runs too, inputs and outputs too, and nothing from the logs of apps on Modal.
MOCK, CONTENT, LOCAL = "mock", "content", "local"


class Policy:
    """Runs that are kept: none at all where it is `off`, those of mock mode too with `mock`, and with `content` the
    inputs and outputs of each. Where it is `local`, `runs` does not ask Modal for the logs of apps."""

    __slots__ = ("content", "local", "mock", "off")

    def __init__(self, *, off: bool = False, mock: bool = False, content: bool = False, local: bool = False) -> None:
        self.off, self.mock, self.content, self.local = off, mock, content, local

    def keeps(self, mode: str | None) -> bool:
        """Return whether a run of that mode is kept."""
        return not self.off and (self.mock or mode == "real")


def policy_of(settings: Settings) -> Policy:
    """Return the policy that the settings say; without a word in them it is real runs, without content.

    Raises UsageError for a word that is none.
    """
    found = settings.value("ledger")
    words = [word.strip().lower() for word in found.text.split(",")] if found else []
    unknown = [word for word in words if word not in (OFF, MOCK, CONTENT, LOCAL)]
    if found and (unknown or (OFF in words and len(words) > 1)):
        expected = f"{OFF}, or any of {MOCK}, {CONTENT} and {LOCAL} with commas between them"
        message = f"{found.source}: expected {expected}, got {found.text!r:.200}"
        raise UsageError(message, hint=f"set {found.source} to {MOCK},{CONTENT} or to {OFF}")
    return Policy(off=OFF in words, mock=MOCK in words, content=CONTENT in words, local=LOCAL in words)
