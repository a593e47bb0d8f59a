"""Parameters of OpenAI's API that no answer here can honour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theoryctl_providers.contract import ProviderError

_LOGPROBS = ("logprobs", "top_logprobs")


def refuse_uncarried(inputs: Mapping[str, Any], *, logprobs: bool = False) -> None:
    """Raise ProviderError `ERR_UNSUPPORTED_PARAM` for inputs that ask for speech, or for log probabilities.

    With `logprobs` the answer has some: that of a vendor, a recording or a script, but never the mock's own. To answer
    without would let a test pass that must not, and a real answer would be paid for and not arrive.
    """
    for name in ("audio",) if logprobs else (*_LOGPROBS, "audio"):
        if inputs.get(name):
            raise _uncarried(name, name)
    modalities = inputs.get("modalities")
    if isinstance(modalities, list) and "audio" in modalities:
        raise _uncarried("modalities", "audio")


def _uncarried(param: str, what: str) -> ProviderError:
    message = f"inputs: $.{param}: no answer here carries {what}"
    return ProviderError("ERR_UNSUPPORTED_PARAM", message, hint=f"leave {param} out", param=param)
