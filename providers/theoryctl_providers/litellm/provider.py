"""Real models through LiteLLM: any vendor-qualified model name; in mock mode the same answers as the mock provider."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from theoryctl_providers.contract import (
    Event,
    Mode,
    ProviderConfig,
    ProviderError,
    ResolvedRequest,
    SecretRule,
    is_mock,
)
from theoryctl_providers.inputs.normalize import CALLER, vendor_of
from theoryctl_providers.inputs.tools import forced_tool
from theoryctl_providers.inputs.unsupported import refuse_uncarried
from theoryctl_providers.litellm.vendors import secret_arguments
from theoryctl_providers.mock.provider import mocked
from theoryctl_providers.protocol import LLMProvider

if TYPE_CHECKING:
    from theoryctl_providers.litellm.transport import Heard

#: Vendors in the model names of the built-in manifest, with the secrets they need.
SECRET_RULES = (
    SecretRule(name="OPENAI_API_KEY", models=("openai/*",)),
    SecretRule(name="ANTHROPIC_API_KEY", models=("anthropic/*",)),
    SecretRule(name="REPLICATE_API_KEY", models=("replicate/*",)),
    SecretRule(name="LLM_API_BASE", required=False, models=("ollama/*", "openai/*")),
)

#: Parameters about the caller that OpenAI alone knows. Its clients send some of them with every request, so that for
#: another vendor they are left out and not refused.
_OPENAIS_OWN = CALLER - {"user", "metadata"}

#: Seconds for one call where neither request nor config says it; LiteLLM's own default is ten minutes.
DEFAULT_TIMEOUT = 120.0


#: Vendors whose streams are read as they come, whatever the number of choices.
_OPENAI_FORMAT = ("openai", "azure", "hosted_vllm", "lm_studio", "groq", "openrouter", "deepseek", "mistral", "xai")


class LiteLLMProvider(LLMProvider):
    """Calls vendors through LiteLLM, which is imported by `prepare("real")` and never in mock mode."""

    loads = "LiteLLM"
    suspends_in_mock = False
    default_model = "openai/gpt-4o-mini"
    operations = ("chat", "embeddings")
    secret_rules = SECRET_RULES

    def check(self, request: ResolvedRequest) -> None:
        """Refuse what a mock refuses too, and a model that names no vendor, `ERR_MODEL_NOT_FOUND`."""
        refuse_uncarried(request.inputs, logprobs=True)
        forced_tool(request.inputs)
        vendor, _, name = request.model.partition("/")
        if vendor and not name:
            model = request.model
            example = "openai/gpt-4o-mini" if "/" in model else f"openai/{vendor}"
            message = f"model {model!r} is not of the form vendor/model"
            raise ProviderError("ERR_MODEL_NOT_FOUND", message, hint=f"name the vendor too, as {example} does")

    def prepare(self, mode: Mode) -> None:
        """Import LiteLLM for real mode. Raises ProviderError `ERR_PROVIDER` where it is not installed."""
        if not is_mock(mode):
            from theoryctl_providers.litellm.loading import import_litellm

            import_litellm()

    def is_prepared(self, mode: Mode) -> bool:
        return is_mock(mode) or "litellm" in sys.modules

    def stream(self, request: ResolvedRequest) -> AsyncGenerator[Event]:
        """The vendor's answer as it comes. Raises ProviderError for every way a vendor can fail."""
        return mocked(request) if is_mock(request.mode) else _call(request)

    async def aclose(self) -> None:
        if "litellm" in sys.modules:
            import litellm

            await litellm.close_litellm_async_clients()
            # It keeps what it has closed, and would hand it out again.
            litellm.in_memory_llm_clients_cache.flush_cache()


async def _call(request: ResolvedRequest) -> AsyncGenerator[Event]:
    from theoryctl_providers.litellm.errors import as_provider_error
    from theoryctl_providers.litellm.transport import Heard
    from theoryctl_providers.redact import Redactor, secrets_of

    model = request.model
    vendor = vendor_arguments(request)
    if "api_key" not in vendor and not model.startswith("ollama/"):
        _check_environment(model, request.config)
    heard, begun = Heard(), False
    try:
        async with aclosing(_events(request, vendor, heard)) as events:
            async for event in events:
                begun = True
                yield event
    except ProviderError as error:
        error.headers = heard.headers
        raise
    except Exception as error:  # LiteLLM raises its own classes, its SDKs' and bare ones alike
        clean = Redactor(secrets_of(request)).error_text
        # An answer that has begun is billed, though nothing of it has come yet.
        failure = as_provider_error(error, model=model, begun=begun or heard.status == 200, clean=clean)
        failure.headers = heard.headers
        raise failure from error


def _events(request: ResolvedRequest, vendor: dict[str, Any], heard: Heard) -> AsyncGenerator[Event]:
    if request.operation == "embeddings":
        from theoryctl_providers.litellm.embeddings import embed

        return embed(request, vendor, heard)
    from theoryctl_providers.litellm.chat import chat

    return chat(request, call_arguments(request), heard)


def call_arguments(request: ResolvedRequest) -> dict[str, Any]:
    """The arguments of `litellm.acompletion`: streamed where that is read, no retries of its own, a time-out."""
    from theoryctl_providers.litellm.content import as_openai

    inputs = deepcopy(dict(request.inputs))  # LiteLLM writes into `metadata`; another attempt, or call, may follow
    left_out = {"model", "messages", *(() if vendor_of(request.inputs["model"]) == "openai" else _OPENAIS_OWN)}
    arguments = {key: value for key, value in inputs.items() if key not in left_out}
    return {
        **arguments,
        **vendor_arguments(request),
        "messages": [as_openai(message) for message in inputs.get("messages", [])],
        **({"stream": True, "stream_options": {"include_usage": True}} if _is_streamed(request) else {}),
    }


def _is_streamed(request: ResolvedRequest) -> bool:
    """Return whether the vendor is asked for a stream: somebody reads it, and it tells why each of its choices ended.

    LiteLLM drops the reasons beyond the first choice in a stream that is not in OpenAI's format.
    """
    vendor = request.model.partition("/")[0]
    return request.streamed and ((request.inputs.get("n") or 1) == 1 or vendor in _OPENAI_FORMAT)


def vendor_arguments(request: ResolvedRequest) -> dict[str, Any]:
    """Model, key and address of the vendor, no retries of LiteLLM's own, an explicit time-out."""
    model, config = request.model, request.config
    vendor, _, name = model.partition("/")
    seconds = request.timeout or config.timeout or DEFAULT_TIMEOUT
    arguments: dict[str, Any] = {"model": model, "max_retries": 0, "num_retries": 0, "timeout": seconds}
    if vendor == "ollama" and request.operation == "chat":
        arguments["model"] = f"ollama_chat/{name}"  # LiteLLM's ollama/ flattens a chat into one prompt
    arguments |= secret_arguments(model, config.secrets)
    base = config.secrets.get("LLM_API_BASE")
    if base and vendor in ("ollama", "openai"):
        arguments["api_base"] = base
    return arguments


def _check_environment(model: str, config: ProviderConfig) -> None:
    """Refuse a call to a vendor beyond the manifest whose variables are not set: sent, it would fail in obscure ways.

    Raises ProviderError `ERR_MISSING_SECRET`.
    """
    import litellm

    wanted = litellm.validate_environment(model=model)["missing_keys"]
    missing = [name for name in wanted if not config.secrets.get(name)]
    if missing:
        raise ProviderError(
            "ERR_MISSING_SECRET",
            f"{model} needs {', '.join(missing)}",
            hint=f"declare {' and '.join(missing)} among the manifest's secrets, and set it",
        )
