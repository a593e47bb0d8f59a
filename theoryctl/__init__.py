"""theoryctl: the same LLM provider in CI, on a laptop and in the cloud."""

from theoryctl_providers.contract import VERSION as __version__

__all__ = ["__version__"]
