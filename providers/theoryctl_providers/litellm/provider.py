"""Real models through LiteLLM: any vendor-qualified model name; in mock mode the same answers as the mock provider."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from theoryctl_providers.contract import (
    Event,
    Mode,
    ProviderError,
    Remedy,
    ResolvedRequest,
    corrected,
    is_mock,
)
from theoryctl_providers.inputs.checks import check_call
from theoryctl_providers.inputs.normalize import CALLER, vendor_in
from theoryctl_providers.inputs.tools import forced_tool
from theoryctl_providers.inputs.unsupported import refuse_uncarried
from theoryctl_providers.litellm.vendors import OLLAMAS, secret_rules, vendor_for
from theoryctl_providers.mock.provider import mocked
from theoryctl_providers.protocol import LLMProvider

if TYPE_CHECKING:
    from theoryctl_providers.litellm.transport import Heard
    from theoryctl_providers.litellm.vendor import Vendor

#: Parameters about the caller that OpenAI alone knows. Its clients send some of them with every request, so that for
#: another vendor they are left out and not refused.
_OPENAIS_OWN = CALLER - {"user", "metadata"}

#: Vendors whose streams are read as they come, whatever the number of choices.
_OPENAI_FORMAT = ("openai", "azure", "hosted_vllm", "lm_studio", "groq", "openrouter", "deepseek", "mistral", "xai")


class LiteLLMProvider(LLMProvider):
    """Calls vendors through LiteLLM, which is imported by `prepare("real")` and never in mock mode."""

    loads = "LiteLLM"
    suspends_in_mock = False
    default_model = "openai/gpt-4o-mini"
    operations = ("chat", "embeddings", "count_tokens")
    secret_rules = secret_rules()

    def check_inputs(self, inputs: Mapping[str, Any]) -> None:
        """Refuse inputs that would name an address or a key, or say two things at once."""
        check_call(inputs)

    def check(self, request: ResolvedRequest) -> None:
        """Refuse what a mock refuses too, and a model that names no vendor, `ERR_MODEL_NOT_FOUND`.

        Raises ProviderError `ERR_USAGE` too, for an address among the secrets that cannot be one, and
        `ERR_UNSUPPORTED_PARAM` for an input that would not reach the vendor.
        """
        from theoryctl_providers.litellm.addresses import address_of

        _check_counted(request)
        refuse_uncarried(request.inputs, logprobs=True)
        forced_tool(request.inputs)
        model = request.model
        if "/" not in model:
            raise _vendorless(model)
        if (known := vendor_for(model)) is not None:
            address_of(known, request.config)
            _refuse_dropped(known, request.inputs)

    def notes(self, request: ResolvedRequest) -> Sequence[str]:
        """Say that an address is not used, where somebody may have meant it for this vendor."""
        from theoryctl_providers.litellm.addresses import address_of

        vendor, secrets = vendor_for(request.model), request.config.secrets
        if vendor is None or vendor.name != "openai" or not secrets.get(OLLAMAS) or address_of(vendor, request.config):
            return ()
        return (f"{OLLAMAS} is the address of Ollama alone; OpenAI's is {vendor.addresses[0]}",)

    def prepare(self, mode: Mode) -> None:
        """Import LiteLLM for real mode. Raises ProviderError `ERR_PROVIDER` where it is not installed."""
        if not is_mock(mode):
            from theoryctl_providers.litellm.loading import import_litellm

            import_litellm()

    def is_prepared(self, mode: Mode) -> bool:
        """Return whether `prepare` would end at once, be it with the error that LiteLLM is not installed."""
        if is_mock(mode) or "litellm" in sys.modules:
            return True
        from importlib.util import find_spec

        return find_spec("litellm") is None

    def stream(self, request: ResolvedRequest) -> AsyncIterator[Event]:
        """The vendor's answer as it comes. Raises ProviderError for every way a vendor can fail."""
        return mocked(request) if is_mock(request.mode) else _call(request)

    async def aclose(self) -> None:
        if "litellm" in sys.modules:
            import litellm

            await litellm.close_litellm_async_clients()
            # It keeps what it has closed, and would hand it out again.
            litellm.in_memory_llm_clients_cache.flush_cache()
            litellm.main.base_llm_aiohttp_handler.client_session = None


def _check_counted(request: ResolvedRequest) -> None:
    vendor = vendor_for(request.model)
    if request.operation == "count_tokens" and (vendor is None or vendor.name != "anthropic"):
        message = f"tokens for {request.model}: of all vendors, Anthropic alone is asked to count them"
        raise ProviderError("ERR_UNSUPPORTED_PARAM", message, hint=Remedy.MOCK_MODE)


def _vendorless(model: str) -> ProviderError:
    """The error for a model that names no vendor, with one of that name that does."""
    from theoryctl_providers.inputs.families import vendor_of_family

    example = f"{vendor_of_family(model) or 'openai'}/{model}"
    message = f"model {model!r} is not of the form vendor/model"
    hint = corrected({model: example}) or f"name the vendor too, as {example} does"
    return ProviderError("ERR_MODEL_NOT_FOUND", message, hint=hint)


def _refuse_dropped(vendor: Vendor, inputs: Mapping[str, Any]) -> None:
    for name in vendor.dropped:
        if inputs.get(name) is not None:
            message = f"inputs: $.{name}: {vendor.title} takes no such parameter"
            raise ProviderError("ERR_UNSUPPORTED_PARAM", message, hint=f"leave {name} out", param=name)


async def _call(request: ResolvedRequest) -> AsyncGenerator[Event]:
    from theoryctl_providers.litellm.addresses import at_address
    from theoryctl_providers.litellm.arguments import (
        account_headers,
        called_at,
        others_addresses,
        others_key,
        vendor_arguments,
    )
    from theoryctl_providers.litellm.errors import as_provider_error
    from theoryctl_providers.litellm.stored_client import stored_client
    from theoryctl_providers.litellm.transport import Heard
    from theoryctl_providers.redact import Redactor, secrets_of

    model, address = request.model, None
    heard, begun = Heard(account_headers(model, request.config.secrets)), False
    try:
        arguments = vendor_arguments(request)
        address, heard.others = called_at(arguments), others_addresses(model, arguments)
        heard.foreign = others_key(model, request.config.secrets)
        arguments |= stored_client(model.partition("/")[0], arguments)
        async with aclosing(_events(request, arguments, heard)) as events:
            async for event in events:
                begun = True
                yield event
    except ProviderError as error:
        error.headers = heard.headers
        if error.code == "ERR_BAD_RESPONSE":
            error.message = at_address(error.message, address or heard.asked)
        raise
    except Exception as error:  # LiteLLM raises its own classes, its SDKs' and bare ones alike
        clean = Redactor(secrets_of(request)).error_text
        # An answer that has begun is billed, though nothing of it has come yet.
        begun = begun or heard.is_paid
        asked = address or heard.asked
        failure = as_provider_error(
            error, model=model, begun=begun, clean=clean, address=asked, redirect=heard.redirect
        )
        failure.headers = heard.headers
        failure.retryable = failure.retryable and not heard.is_begun
        raise failure from error
    finally:
        await heard.aclose()


def _events(request: ResolvedRequest, vendor: dict[str, Any], heard: Heard) -> AsyncGenerator[Event]:
    if request.operation == "embeddings":
        from theoryctl_providers.litellm.embeddings import embed

        return embed(request, vendor, heard)
    if request.operation == "count_tokens":
        from theoryctl_providers.litellm.counting import count

        return count(request, vendor, heard)
    from theoryctl_providers.litellm.chat import chat

    return chat(request, call_arguments(request, vendor), heard)


def call_arguments(request: ResolvedRequest, vendor: dict[str, Any]) -> dict[str, Any]:
    """Return all arguments of `litellm.acompletion`, streamed where that is read; `vendor` are `vendor_arguments`."""
    from theoryctl_providers.litellm.body import placed
    from theoryctl_providers.litellm.content import as_openai

    inputs = deepcopy(dict(request.inputs))  # LiteLLM writes into `metadata`; another attempt, or call, may follow
    left_out = {"model", "messages", *(() if vendor_in(request.inputs["model"]) == "openai" else _OPENAIS_OWN)}
    stated = {key: value for key, value in inputs.items() if key not in left_out}
    return {
        **placed(stated, request.model),
        **vendor,
        "messages": [as_openai(message) for message in inputs.get("messages", [])],
        **({"stream": True, "stream_options": {"include_usage": True}} if _is_streamed(request) else {}),
    }


def _is_streamed(request: ResolvedRequest) -> bool:
    """Return whether the vendor is asked for a stream: somebody reads it, and it tells why each of its choices ended.

    LiteLLM drops the reasons beyond the first choice in a stream that is not in OpenAI's format.
    """
    vendor = request.model.partition("/")[0]
    if vendor == "replicate":  # its predictions are looked after in one way, `predictions`; there is no other request
        return True
    return request.streamed and ((request.inputs.get("n") or 1) == 1 or vendor in _OPENAI_FORMAT)
