"""The mock provider: deterministic answers made from the inputs alone, or from a script or recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from theoryctl_providers.mock.provider import MockProvider

__all__ = ["MockProvider"]


def __getattr__(name: str) -> Any:
    """Load the class when it is asked for: whoever wants a part of this room should not pay for the whole."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from theoryctl_providers.mock import provider

    return getattr(provider, name)
