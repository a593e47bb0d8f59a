"""The number of items that the vendor of a model takes in a list: the schemas of inputs are those of all vendors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theoryctl_providers.contract import ProviderError
from theoryctl_providers.inputs.normalize import vendor_in

#: The most items by the vendor of a model; None: a model without a vendor is asked in OpenAI's vocabulary.
_Most = Mapping[str | None, int]

#: Of stop sequences. Ollama and others take any number, or do not say.
_STOPS: _Most = {
    # openai 3.57, types/chat/completion_create_params.py.
    None: 4,
    "openai": 4,
    # Azure's own words in QwenLM/Qwen-Agent#228: "Expected an array with maximum length 4".
    "azure": 4,
    # ai.google.dev/api/generate-content#generationconfig: "up to 5".
    "gemini": 5,
    # Anthropic's reference names no limit; Amazon's page on the same API does (boto/botocore#3354).
    "anthropic": 8191,
    # botocore 1.44, bedrock-runtime, InferenceConfigurationStopSequencesList.
    "bedrock": 2500,
}

#: Of texts in a request for embeddings. Others say themselves what is too much for them.
_TEXTS: _Most = {
    # openai 3.57, types/embedding_create_params.py: "any array must be 2048 dimensions or less".
    None: 2048,
    "openai": 2048,
    # learn.microsoft.com/azure/ai-services/openai/how-to/embeddings: "the max array size is 2048".
    "azure": 2048,
    # Gemini's own words in StarTrail-org/LEANN#214: "at most 100 requests can be in one batch".
    "gemini": 100,
}


def refuse_too_many(inputs: Mapping[str, Any], model: str) -> None:
    """Raise ProviderError `ERR_INPUTS` for more stop sequences or texts than the vendor of `model` takes."""
    _check(inputs, "stop", "sequences", _STOPS, model)
    if not _is_one_text(inputs.get("input")):
        _check(inputs, "input", "texts", _TEXTS, model)


def _is_one_text(given: Any) -> bool:
    """Return whether a list is the tokens of one text, and not several texts."""
    return isinstance(given, list) and bool(given) and isinstance(given[0], (int, float))


def _check(inputs: Mapping[str, Any], name: str, kind: str, limits: _Most, model: str) -> None:
    items, vendor = inputs.get(name), vendor_in(model)
    most = limits.get(vendor)
    if not isinstance(items, list) or most is None or len(items) <= most:
        return
    message = f"inputs: $.{name}: expected at most {most} {kind} for a model of {vendor or 'openai'}, got {len(items)}"
    raise ProviderError("ERR_INPUTS", message, hint=f"shorten {name} to {most} items", param=name)
