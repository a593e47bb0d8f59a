"""Inputs in the places where each vendor looks: arguments of LiteLLM, and what goes into the body as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theoryctl_providers.litellm.vendors import vendor_for

_WORDS = """
audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens metadata min_p
modalities n parallel_tool_calls prediction presence_penalty prompt_cache_key prompt_cache_retention reasoning_effort
repetition_penalty response_format safety_identifier seed service_tier stop store temperature thinking tool_choice
tools top_k top_logprobs top_p user verbosity web_search_options
"""

#: Inputs that are arguments of `litellm.acompletion`; of the extensions, those that it puts into their place itself.
ARGUMENTS = frozenset(_WORDS.split())

#: What Ollama takes beside `options`, which hold everything else (its API's documentation, /api/chat).
_BESIDE_OPTIONS = frozenset(("format", "keep_alive", "logprobs", "shift", "think", "top_logprobs", "truncate"))


def placed(inputs: Mapping[str, Any], model: str) -> dict[str, Any]:
    """Return arguments of `litellm.acompletion` that carry the inputs of a call of `model`.

    What LiteLLM has no argument for, be it in `extra_body` or an input that an open schema lets through, goes into the
    vendor's body.
    """
    arguments = {name: value for name, value in inputs.items() if name in ARGUMENTS}
    beyond = {name: value for name, value in inputs.items() if name not in ARGUMENTS and name != "extra_body"}
    extra = {**beyond, **(inputs.get("extra_body") or {})}
    return {**_placed_extra(extra, model), **arguments} if extra else arguments


def _placed_extra(extra: dict[str, Any], model: str) -> dict[str, Any]:
    vendor = vendor_for(model)
    if vendor is not None and vendor.name == "ollama":
        return _for_ollama(extra)
    if vendor is None or vendor.extra_body:
        return {"extra_body": extra}
    # Passed on even where LiteLLM believes that the model does not take them.
    return {**extra, "allowed_openai_params": sorted(extra.keys() & ARGUMENTS)}


def _for_ollama(extra: dict[str, Any]) -> dict[str, Any]:
    """LiteLLM puts arguments it does not know among Ollama's options, and those that inputs have beside them."""
    body = {name: value for name, value in extra.items() if name in _BESIDE_OPTIONS}
    options = {name: value for name, value in extra.items() if name not in (*_BESIDE_OPTIONS, "options")}
    options |= extra.get("options") or {}
    return {**options, "extra_body": body} if body else options
