"""Embeddings of real models, through LiteLLM."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from theoryctl_providers.contract import Event, Output, ProviderError, ResolvedRequest, Usage, VendorInfo
from theoryctl_providers.inputs.validate import are_vectors

if TYPE_CHECKING:
    from theoryctl_providers.litellm.transport import Heard

#: Inputs that LiteLLM passes on. How the numbers are written is not its business: they come as numbers.
_PASSED = ("input", "dimensions", "user")


async def embed(request: ResolvedRequest, arguments: dict[str, Any], heard: Heard) -> AsyncGenerator[Event]:
    """The vectors, and what they cost. `arguments` say which model, whose key and how long.

    Raises ProviderError `ERR_BAD_RESPONSE` for an answer without a vector for each text, and whatever LiteLLM does.
    """
    import litellm

    from theoryctl_providers.litellm.usage import amount

    # A copy: another attempt may follow, or a caller look at what it gave, and LiteLLM writes into what it gets.
    inputs = deepcopy({name: request.inputs[name] for name in _PASSED if name in request.inputs})
    response = await heard.during(litellm.aembedding(**inputs, **arguments))
    vectors = [item["embedding"] for item in sorted(response.data, key=lambda item: int(item["index"]))]
    if not are_vectors(vectors, request.inputs["input"]):
        message = (
            f"the answer of {request.inputs['model']} holds no vectors of numbers, one of one length for each text"
        )
        raise ProviderError("ERR_BAD_RESPONSE", message, hint="try again")
    yield VendorInfo(headers=heard.headers or {})
    yield Output("embeddings", "application/json", vectors)
    if response.usage is not None:
        sent = amount(response.usage.prompt_tokens)
        yield Usage(sent, 0, None if sent is None else _cost(request, sent))


def _cost(request: ResolvedRequest, sent: int) -> float | None:
    """US dollars by LiteLLM's price list; None for a model that is not in it, and for media with a price of their own:
    answers with vectors do not split their tokens."""
    import litellm

    from theoryctl_providers.litellm.charges import OWN_SERVERS
    from theoryctl_providers.litellm.media_prices import has_known_price, media_asked
    from theoryctl_providers.litellm.stored import is_batch
    from theoryctl_providers.litellm.usage import batch_cost, facts_of, priced

    model, asked = request.model, media_asked(request.inputs)
    if model.partition("/")[0] in OWN_SERVERS:
        return 0.0
    try:
        if asked and not has_known_price(facts_of(model), {}, (asked, frozenset())):
            return None
        if is_batch():
            return batch_cost(model, litellm.Usage(prompt_tokens=sent, completion_tokens=0, total_tokens=sent))
        costs = litellm.cost_per_token(model=model, prompt_tokens=sent, completion_tokens=0, call_type="aembedding")
        return priced(model, costs, (sent, 0))
    except Exception:  # an unknown model is no failure of the call, and LiteLLM raises a bare Exception for it
        return None
