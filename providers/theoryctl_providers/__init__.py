"""LLM providers: small programs that turn inputs into model outputs, the same way wherever they run.

envelope = run({"messages": [{"role": "user", "content": "Hi"}]}, provider="litellm", mode="mock")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from theoryctl_providers.contract import VERSION as __version__
    from theoryctl_providers.contract import (
        Annotation,
        Attachment,
        Delta,
        Envelope,
        Event,
        Finish,
        Log,
        Mode,
        Output,
        ProviderConfig,
        ProviderError,
        Request,
        ResolvedRequest,
        Result,
        Script,
        SecretRule,
        Started,
        ToolCallDelta,
        Usage,
        VendorInfo,
        is_mock,
        resolve_mode,
    )
    from theoryctl_providers.engine.calls import arun, astream, run, stream
    from theoryctl_providers.engine.execute import execute
    from theoryctl_providers.lookup import default_models, get_llm_provider
    from theoryctl_providers.mock.provider import mocked
    from theoryctl_providers.protocol import LLMProvider

__all__ = [
    "Annotation",
    "Attachment",
    "Delta",
    "Envelope",
    "Event",
    "Finish",
    "LLMProvider",
    "Log",
    "Mode",
    "Output",
    "ProviderConfig",
    "ProviderError",
    "Request",
    "ResolvedRequest",
    "Result",
    "Script",
    "SecretRule",
    "Started",
    "ToolCallDelta",
    "Usage",
    "VendorInfo",
    "__version__",
    "arun",
    "astream",
    "default_models",
    "execute",
    "get_llm_provider",
    "is_mock",
    "mocked",
    "resolve_mode",
    "run",
    "stream",
]

# Where a public name lives when that is not the contract.
_HOMES = {
    "arun": "engine.calls",
    "astream": "engine.calls",
    "execute": "engine.execute",
    "run": "engine.calls",
    "stream": "engine.calls",
    "mocked": "mock.provider",
    "LLMProvider": "protocol",
    "default_models": "lookup",
    "get_llm_provider": "lookup",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is asked for: whoever wants the contract alone should not pay for the engine."""
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{_HOMES.get(name, 'contract')}")
    return getattr(module, "VERSION" if name == "__version__" else name)
