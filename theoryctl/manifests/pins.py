"""Digest drift: the manifest pins another image than the one that runs."""

from __future__ import annotations

from theoryctl.errors import DigestDrift
from theoryctl.hints import Hint


def other_pin(pinned: str | None, running: str | None, at_start: str | None) -> str | None:
    """The digest that is pinned now, where it is neither the one that runs nor the one that was pinned at the start.

    `at_start` is what the manifest pinned when `running` was started: where that is still so, another digest runs
    because `--oci` named it. None where there is no drift, which is so without a pin and without an image.
    """
    return None if running is None or pinned in (None, running, at_start) else pinned


def check_pin(
    ref: object, pinned: str | None, running: str | None, at_start: str | None, *, state: str, hint: Hint
) -> None:
    """Raise DigestDrift (`ERR_DIGEST_DRIFT`) for the drift that `other_pin` finds; `state` is "running" or the like."""
    if pin := other_pin(pinned, running, at_start):
        raise DigestDrift(f"{ref} is pinned to {pin}, but {running} is {state}", hint=hint)
