"""The most that a call can cost, by the table of prices, before it is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from theoryctl.actions.models import model_row
from theoryctl_providers.contract import Request, dumps

if TYPE_CHECKING:
    from theoryctl.results.models import ModelRow

#: Vendors whose models run on a server of one's own: a call costs nothing.
OWN = ("ollama", "ollama_chat", "hosted_vllm", "lm_studio")

#: Inputs that bound the answer, in tokens.
_BOUNDS = ("max_completion_tokens", "max_tokens")


def most_of(request: Request, default_model: str | None) -> float | None:
    """Return the most US dollars that a request can cost; None where nobody knows the price or the longest answer.

    A token has at least one byte, so the inputs have at most as many tokens as bytes, and never more than the model
    reads. The answer has as many as `max_tokens` says, else as the model can write, for each of `n` choices.
    """
    inputs = request.inputs
    model = str(inputs.get("model") or default_model or "")
    if model.partition("/")[0] in OWN:
        return 0.0
    row = model_row(model)
    if row is None or row.input_price is None:
        return None
    sent = len(dumps(dict(inputs)).encode()) + sum(file.size for file in request.attachments)
    read = min(sent, row.context) if row.context else sent
    written = 0 if row.kind == "embedding" else _longest(inputs, row)
    if written is None or (written and row.output_price is None):
        return None
    return read * row.input_price + written * (row.output_price or 0.0)


def _longest(inputs: Mapping[str, Any], row: ModelRow) -> int | None:
    """The tokens of the longest answer; None where nothing bounds it."""
    told = [inputs[name] for name in _BOUNDS if isinstance(inputs.get(name), int)]
    most = min([*told, *([row.max_output] if row.max_output else [])], default=None)
    choices = inputs.get("n")
    return None if most is None else most * (choices if isinstance(choices, int) and choices > 0 else 1)
