"""LLM providers: small programs that turn inputs into model outputs, the same way wherever they run.

    envelope = run({"messages": [{"role": "user", "content": "Hi"}]}, provider="litellm", mode="mock")
"""

from __future__ import annotations

from theoryctl_providers.contract import VERSION as __version__
from theoryctl_providers.contract import (
    Attachment,
    ProviderConfig,
    ProviderError,
    Request,
    SecretRule,
    is_mock,
    resolve_mode,
)
from theoryctl_providers.engine import execute, run
from theoryctl_providers.protocol import LLMProvider
from theoryctl_providers.registry import default_models, get_llm_provider

__all__ = [
    "Attachment",
    "LLMProvider",
    "ProviderConfig",
    "ProviderError",
    "Request",
    "SecretRule",
    "__version__",
    "default_models",
    "execute",
    "get_llm_provider",
    "is_mock",
    "resolve_mode",
    "run",
]
