"""The number of stop sequences that the vendor of a model takes: the schema of the inputs is that of all vendors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theoryctl_providers.contract import ProviderError
from theoryctl_providers.inputs.normalize import vendor_in

#: The most stop sequences by the vendor of a model. Ollama and others take any number, or do not say.
_MOST: Mapping[str | None, int] = {
    # openai 3.57, types/chat/completion_create_params.py; a model without a vendor is asked in OpenAI's vocabulary.
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


def refuse_too_many_stops(inputs: Mapping[str, Any], model: str) -> None:
    """Raise ProviderError `ERR_INPUTS` for more stop sequences than the vendor of `model` takes."""
    stops, vendor = inputs.get("stop"), vendor_in(model)
    most = _MOST.get(vendor)
    if not isinstance(stops, list) or most is None or len(stops) <= most:
        return
    message = f"inputs: $.stop: expected at most {most} sequences for a model of {vendor or 'openai'}, got {len(stops)}"
    raise ProviderError("ERR_INPUTS", message, hint=f"shorten stop to {most} items", param="stop")
