"""The mock provider: deterministic answers made from the inputs alone, or from a script or recordings."""

from theoryctl_providers.mock.provider import MockProvider

__all__ = ["MockProvider"]
