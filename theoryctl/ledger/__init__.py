"""The ledger of runs: what left this machine, in one SQLite file.

with recording():
    envelope = theoryctl_providers.run(inputs, provider="litellm", mode="real")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from theoryctl.ledger.python_calls import recording as recording


def __getattr__(name: str) -> Any:
    """Load `recording` when it is asked for: the command line records by itself, and starts faster without."""
    if name != "recording":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return import_module(f"{__name__}.python_calls").recording
