"""The markers `theoryctl` of a test, its class and its module, read as one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

ARGUMENTS = ("script", "replay", "record", "offline")

#: Those that say how to answer.
_ANSWERS = frozenset(ARGUMENTS) - {"offline"}


def mistakes_of(item: pytest.Item) -> Iterator[str]:
    """Find what no marker of a test may say, whichever of them counts: what was expected, and what is there."""
    for marker in item.iter_markers("theoryctl"):
        for unknown in (*marker.args, *(marker.kwargs.keys() - {*ARGUMENTS})):
            yield f"expected {', '.join(ARGUMENTS)}, got {unknown!r:.200}"
        offline = marker.kwargs.get("offline", False)
        if not isinstance(offline, bool):
            yield f"offline: expected True or False, got {offline!r:.200}"


def told_by(item: pytest.Item) -> dict[str, Any]:
    """Return the arguments of all markers of a test, the nearest first.

    `script`, `replay` and `record` are those of the nearest marker that has any of them: a folder to replay must not be
    recorded to because a marker further out records to another.
    """
    told: dict[str, Any] = {}
    for marker in item.iter_markers("theoryctl"):
        known = told.keys() if _ANSWERS.isdisjoint(told) else told.keys() | _ANSWERS
        told |= {name: value for name, value in marker.kwargs.items() if name not in known}
    return told
