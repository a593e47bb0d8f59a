"""Parameters of OpenAI's API that no provider here can honour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theoryctl_providers.contract import ProviderError

_ASKED_BY_NAME = ("logprobs", "top_logprobs", "audio")


def refuse_uncarried(inputs: Mapping[str, Any]) -> None:
    """Raise ProviderError `ERR_UNSUPPORTED_PARAM` for inputs that ask for log probabilities or for speech.

    To answer without would let a test pass that must not, and a real answer would be paid for and not arrive.
    """
    for name in _ASKED_BY_NAME:
        if inputs.get(name):
            raise _uncarried(name, name)
    modalities = inputs.get("modalities")
    if isinstance(modalities, list) and "audio" in modalities:
        raise _uncarried("modalities", "audio")
    # Only the Responses API has it, and clients send other entries by default.
    include = inputs.get("include")
    for index, entry in enumerate(include if isinstance(include, list) else ()):
        if isinstance(entry, str) and entry.endswith(".logprobs"):
            raise _uncarried(f"include[{index}]", "logprobs")


def _uncarried(param: str, what: str) -> ProviderError:
    message = f"inputs: $.{param}: no answer here carries {what}, in mock mode or real"
    return ProviderError("ERR_UNSUPPORTED_PARAM", message, hint=f"leave {param} out", param=param)
