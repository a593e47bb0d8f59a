"""Tokens of a prompt, counted by Anthropic: LiteLLM itself would estimate where the vendor does not answer.

Google counts too, but LiteLLM's call of it imports google-genai (llms/gemini/count_tokens/handler.py), which it does
not bring.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from theoryctl_providers.contract import Event, ProviderError, ResolvedRequest, Usage
from theoryctl_providers.status import answered

if TYPE_CHECKING:
    from theoryctl_providers.litellm.transport import Heard

#: Inputs beside messages and tools that are part of a prompt.
_COUNTED = ("tool_choice", "thinking")


async def count(request: ResolvedRequest, arguments: dict[str, Any], heard: Heard) -> AsyncGenerator[Event]:
    """The usage of a prompt that nobody answers. `arguments` say which model, whose key and at which address.

    Raises httpx.HTTPStatusError for what Anthropic refuses, and ProviderError for another failure, `ERR_BAD_RESPONSE`
    for an answer without a number.
    """
    from litellm.llms.anthropic.count_tokens.token_counter import AnthropicTokenCounter

    from theoryctl_providers.litellm.content import as_openai

    inputs = deepcopy(dict(request.inputs))
    counting = AnthropicTokenCounter().count_tokens(
        model_to_use=request.model.partition("/")[2],
        messages=[as_openai(message) for message in inputs["messages"]],
        contents=None,
        deployment={"litellm_params": {name: arguments[name] for name in ("api_key", "api_base") if name in arguments}},
        request_model=request.model,
        tools=inputs.get("tools"),
        messages_format="openai",
        chat_params={name: inputs[name] for name in _COUNTED if name in inputs},
    )
    told = await heard.during(counting)
    heard.raise_for_status()
    if told is not None and told.error and not heard.is_answered:
        raise answered(told.status_code or 500, str(told.error_message or ""), request.model)
    if told is None or told.error or not isinstance(told.total_tokens, int):
        raise ProviderError("ERR_BAD_RESPONSE", f"the answer of {request.model} holds no number", hint="try again")
    yield Usage(input_tokens=told.total_tokens)
