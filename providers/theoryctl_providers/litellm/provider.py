"""Real models through LiteLLM: any vendor-qualified model name; in mock mode the same answers as the mock provider."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from copy import deepcopy
from typing import Any

from theoryctl_providers.contract import (
    Delta,
    Event,
    Finish,
    Mode,
    ProviderConfig,
    ProviderError,
    ResolvedRequest,
    SecretRule,
    ToolCallDelta,
    Usage,
    is_mock,
)
from theoryctl_providers.inputs.normalize import CALLER, vendor_of
from theoryctl_providers.inputs.tools import forced_tool
from theoryctl_providers.inputs.unsupported import refuse_uncarried
from theoryctl_providers.litellm.vendors import secret_arguments
from theoryctl_providers.mock.provider import mocked
from theoryctl_providers.protocol import LLMProvider

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


class LiteLLMProvider(LLMProvider):
    """Calls vendors through LiteLLM, which is imported by `prepare("real")` and never in mock mode."""

    loads = "LiteLLM"
    suspends_in_mock = False
    default_model = "openai/gpt-4o-mini"
    operations = ("chat", "embeddings")
    secret_rules = SECRET_RULES

    def check(self, request: ResolvedRequest) -> None:
        """Refuse what a mock refuses too, and a model that names no vendor, `ERR_MODEL_NOT_FOUND`."""
        refuse_uncarried(request.inputs)
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


async def _call(request: ResolvedRequest) -> AsyncGenerator[Event]:
    from theoryctl_providers.litellm.errors import as_provider_error
    from theoryctl_providers.redact import Redactor, secrets_of

    model = request.model
    vendor = vendor_arguments(request)
    if "api_key" not in vendor and not model.startswith("ollama/"):
        _check_environment(model, request.config)
    begun = False
    try:
        async with aclosing(_events(request, vendor)) as events:
            async for event in events:
                begun = True
                yield event
    except ProviderError:
        raise
    except Exception as error:  # LiteLLM raises its own classes, its SDKs' and bare ones alike
        clean = Redactor(secrets_of(request)).error_text
        raise as_provider_error(error, model=model, begun=begun, clean=clean) from error


def _events(request: ResolvedRequest, vendor: dict[str, Any]) -> AsyncGenerator[Event]:
    if request.operation == "embeddings":
        from theoryctl_providers.litellm.embeddings import embed

        return embed(request, vendor)
    return _chat(request)


async def _chat(request: ResolvedRequest) -> AsyncGenerator[Event]:
    import litellm

    answer = _Answer(request.model)
    response = await litellm.acompletion(**call_arguments(request))
    async for chunk in response:
        for event in answer.deltas(chunk):
            yield event
    # Held back till here: LiteLLM makes up an end, and counts, for an answer that has none.
    for event in answer.end(response.received_finish_reason):
        yield event


def call_arguments(request: ResolvedRequest) -> dict[str, Any]:
    """Return the arguments of `litellm.acompletion`: always streaming, no retries of its own, an explicit time-out."""
    from theoryctl_providers.litellm.content import as_openai

    inputs = deepcopy(dict(request.inputs))  # LiteLLM writes into `metadata`; another attempt, or call, may follow
    left_out = {"model", "messages", *(() if vendor_of(request.inputs["model"]) == "openai" else _OPENAIS_OWN)}
    arguments = {key: value for key, value in inputs.items() if key not in left_out}
    return {
        **arguments,
        **vendor_arguments(request),
        "messages": [as_openai(message) for message in inputs.get("messages", [])],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


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


class _Answer:
    """Turns LiteLLM's chunks into events, and knows at the end whether there was an answer at all."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.said = False
        self._begun: set[int] = set()
        self._finishes: dict[int, str] = {}
        self._usage: Any = None

    def deltas(self, chunk: Any) -> Iterator[Event]:
        self._usage = getattr(chunk, "usage", None) or self._usage
        for choice in chunk.choices:
            if choice.finish_reason:
                self._finishes[choice.index] = choice.finish_reason
            for event in _deltas(choice):
                self._begun.add(choice.index)
                self.said = True
                yield event

    def end(self, received: str | None) -> Iterator[Event]:
        """The last events; `received` is the finish reason the vendor sent itself, if any.

        Raises ProviderError `ERR_BAD_RESPONSE` for an answer that LiteLLM lets pass although it is none, and
        `ERR_CONTENT_POLICY` for one that the vendor withheld.
        """
        if received is None:
            raise self._bad("broke off before its end")
        if not self.said and "content_filter" in self._finishes.values():
            raise ProviderError(
                "ERR_CONTENT_POLICY", f"the vendor withheld the answer of {self.model}", hint="change the prompt"
            )
        # A model may spend all its tokens on reasoning: then the answer is empty, and right.
        if not self.said and "length" not in self._finishes.values():
            raise self._bad("is empty")
        # LiteLLM passes on the finish reasons of the first choice alone: the others get the vendor's last one.
        ends = dict.fromkeys(self._begun, received) | self._finishes
        yield from (Finish(index, reason) for index, reason in sorted(ends.items()))
        if self._usage is not None:
            sent, got = self._usage.prompt_tokens, self._usage.completion_tokens
            yield Usage(sent, got, _cost(self.model, self._usage))

    def _bad(self, what: str) -> ProviderError:
        return ProviderError("ERR_BAD_RESPONSE", f"the answer of {self.model} {what}", hint="try again")


def _deltas(choice: Any) -> Iterator[Event]:
    if choice.delta.content:
        yield Delta(choice.index, text=choice.delta.content)
    for call in choice.delta.tool_calls or ():
        piece = ToolCallDelta(call.index, call.function.arguments or "", call.id, call.function.name)
        yield Delta(choice.index, tool_call=piece)


def _cost(model: str, usage: Any) -> float | None:
    """US dollars by LiteLLM's price list; None for a model that is not in it."""
    import litellm

    if model.startswith("ollama/"):
        return 0.0  # it runs on one's own machine
    try:
        sent, received = litellm.cost_per_token(model=model, usage_object=usage)
    except Exception:  # an unknown model is no failure of the call, and LiteLLM raises a bare Exception for it
        return None
    return float(sent + received)
