"""Checks of inputs that a schema cannot make, the same in mock mode and real."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from theoryctl_providers.contract import ProviderError, loads
from theoryctl_providers.contract.json_text import cut, json_path
from theoryctl_providers.inputs.forbidden import refuse_forbidden
from theoryctl_providers.inputs.limits import refuse_too_many
from theoryctl_providers.inputs.schemas import check_schemas
from theoryctl_providers.inputs.vendor_names import refuse_half_name, refuse_misspelt_vendor

_WORDS = """
best_of candidate_count contents max_completion_tokens max_gen_len max_length max_new_tokens max_output_tokens
max_token_count max_tokens max_tokens_to_sample messages model models n n_predict num_predict num_return_sequences
prompt stream stream_options system system_instruction
"""

#: Keys that change which model answers to what, how, how often or how long, in the words of vendors.
_DECIDED = frozenset(_WORDS.split())

#: Vendors' words for inputs.
_SYNONYMS = {
    "format": "response_format",
    "random_seed": "seed",
    "response_json_schema": "response_format",
    "response_mime_type": "response_format",
    "response_schema": "response_format",
    "stop_sequences": "stop",
    "think": "reasoning_effort",
    "thinking": "reasoning_effort",
    "thinking_config": "reasoning_effort",
    "tool_config": "tool_choice",
}

#: Objects of `extra_body` that hold parameters as well: Bedrock's, Gemini's, Ollama's, and those of others.
_NESTED = frozenset(
    ("additional_model_request_fields", "generation_config", "inference_config", "options", "parameters")
)


def check_call(inputs: Mapping[str, Any]) -> None:
    """Raise ProviderError `ERR_INPUTS` for inputs that no call may have.

    The model lacks its vendor or its name, or the vendor is misspelt; or they name an address, a credential or a
    setting of LiteLLM; or there are more stop sequences or texts than the vendor takes; or `extra_body` repeats or
    undercuts an input; or an answer's schema is none; or a call of a tool that is sent back has arguments that are no
    JSON.
    """
    refuse_forbidden(inputs)
    model = str(inputs.get("model") or "")
    refuse_half_name(model)
    refuse_misspelt_vendor(model)
    refuse_too_many(inputs, model)
    if isinstance(extra := inputs.get("extra_body"), dict):
        _check_extra(extra, inputs, ("extra_body",))
    check_schemas(inputs)
    for path, arguments in _arguments(inputs.get("messages")):
        _check_json(arguments, path)


def _check_extra(extra: Mapping[str, Any], inputs: Mapping[str, Any], path: tuple[str, ...]) -> None:
    for key, value in extra.items():
        name = _in_snake_case(key)
        same = _SYNONYMS.get(name, name)
        same = same if same in inputs else name
        if same in _DECIDED or same in inputs:
            raise _twice((*path, key), same)
        if name in _NESTED and isinstance(value, dict):
            _check_extra(value, inputs, (*path, key))


def _in_snake_case(name: str) -> str:
    """`maxOutputTokens` as `max_output_tokens`: vendors have either."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _twice(path: tuple[str, ...], name: str) -> ProviderError:
    place = json_path(path)
    why = "is decided by the inputs" if name in _DECIDED else f"is the input {name} as well"
    return ProviderError(
        "ERR_INPUTS",
        f"inputs: {place}: expected another key, for this {why}",
        hint=f"leave {cut(path[-1])} out of extra_body, and use the input for it",
        param=place.removeprefix("$."),
    )


def _arguments(messages: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The arguments of each call of a tool, and where they stand."""
    for index, message in enumerate(messages if isinstance(messages, list) else ()):
        if not isinstance(message, dict):
            continue
        yield from _arguments_in(message, ("messages", index), "function_call")
        calls = message.get("tool_calls")
        for at, call in enumerate(calls if isinstance(calls, list) else ()):
            yield from _arguments_in(call, ("messages", index, "tool_calls", at), "function")


def _arguments_in(holder: Any, path: tuple[str | int, ...], key: str) -> Iterator[tuple[tuple[str | int, ...], str]]:
    function = holder.get(key) if isinstance(holder, dict) else None
    arguments = function.get("arguments") if isinstance(function, dict) else None
    if isinstance(arguments, str):
        yield (*path, key, "arguments"), arguments


def _check_json(arguments: str, path: tuple[str | int, ...]) -> None:
    if not arguments.strip():  # how some vendors say that there are none
        return
    place = json_path(path)
    try:
        loads(arguments)
    except ProviderError:
        raise ProviderError(
            "ERR_INPUTS",
            f"inputs: {place}: expected JSON, got {arguments[:200]!r}",
            hint="send the arguments as the model wrote them, whole, or leave the call and its result out",
            param=place.removeprefix("$."),
        ) from None
