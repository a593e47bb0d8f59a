"""Tokens and prices, as far as the vendor said them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from theoryctl_providers.contract import Usage
from theoryctl_providers.litellm.charges import OWN_SERVERS, is_free_of_tokens, tells_of_searches
from theoryctl_providers.litellm.media_prices import NO_MEDIA, Media, has_known_price
from theoryctl_providers.litellm.stored import is_batch

#: Where vendors say a detail: paths in their usage.
_CACHED = (
    ("prompt_tokens_details", "cached_tokens"),
    ("input_tokens_details", "cached_tokens"),
    ("cache_read_input_tokens",),
    ("prompt_cache_hit_tokens",),
    ("cachedContentTokenCount",),
    ("cacheReadInputTokens",),
    ("cached_tokens",),
)
_WRITTEN = (
    ("prompt_tokens_details", "cache_write_tokens"),
    ("prompt_tokens_details", "cache_creation_tokens"),
    ("cache_creation_input_tokens",),
    ("cacheWriteInputTokens",),
)
_REASONED = (
    ("completion_tokens_details", "reasoning_tokens"),
    ("output_tokens_details", "reasoning_tokens"),
    ("thoughtsTokenCount",),
    ("reasoning_tokens",),
)

#: A number that nobody has counted is unknown: JSON's readers hold integers exactly up to here (RFC 8259, section 6).
_MOST = 2**53 - 1

#: The ends of names under which vendors count what has a price; times, which may be any number, have others.
_COUNTS = ("tokens", "count", "requests")

#: Ticks of a US dollar, in which xAI says a price (litellm/llms/xai/common_utils.py, litellm 1.110.2).
_TICKS = 10**10

#: An integer in place of a count that is no amount. It is none either, and LiteLLM's sums with it are none.
_NO_AMOUNT = 2**62


def usage_of(
    model: str,
    counted: Mapping[str, Any],
    said: Mapping[str, Any],
    tier: str | None = None,
    *,
    searches: bool = False,
    media: Media = NO_MEDIA,
) -> Usage:
    """The usage of a call to `model`.

    `counted` is in OpenAI's vocabulary, `said` in the vendor's own; `tier` is the service tier that answered. Where
    the vendor said a price, that is the price; else it is counted by LiteLLM's price list, and unknown where a count is
    no amount, and where the model `searches` the web or has searched it: each search has a price, and few vendors say
    how many it made. It is unknown too where `media` have a price of their own, and nobody says how many tokens are
    theirs.
    """
    sent, got = _count(counted, "prompt_tokens"), _count(counted, "completion_tokens")
    usd = _price(said)
    has_searched = searches or tells_of_searches(said)
    if usd is None and not has_searched and None not in (sent, got) and all(map(_is_amount, _counts(said))):
        usd = _cost(model, counted, tier, media)
    return Usage(
        input_tokens=sent,
        output_tokens=got,
        cost_usd=usd if _is_amount(usd) else None,
        cached_input_tokens=_first(said, _CACHED),
        cache_write_tokens=_first(said, _WRITTEN),
        reasoning_tokens=_first(said, _REASONED),
    )


def _price(said: Mapping[str, Any]) -> float | None:
    """The US dollars that a vendor said: a number, Perplexity's object with the sum among the parts, or xAI's ticks."""
    cost, ticks = said.get("cost"), said.get("cost_in_usd_ticks")
    total = cost.get("total_cost") if isinstance(cost, Mapping) else cost
    if not _is_amount(total) and _is_amount(ticks):
        return ticks / _TICKS
    return float(total) if _is_amount(total) else None


def in_integers(said: Any, name: str = "") -> Any:
    """Return usage with integers for all its counts: LiteLLM fails at others, such as the infinity that 1e999 is.

    A count that is no amount becomes an integer that is none either. `name` is the field that holds `said`.
    """
    if isinstance(said, list):
        return list(map(in_integers, said))
    if isinstance(said, Mapping):
        return {key: in_integers(value, key) for key, value in said.items()}
    if not _is_count(name, said):
        return said
    count = amount(said)
    return _NO_AMOUNT if count is None else count


def _counts(said: Any) -> Iterator[Any]:
    """The counts in usage, at every depth."""
    pairs = said.items() if isinstance(said, Mapping) else enumerate(said) if isinstance(said, list) else ()
    for name, value in pairs:
        if _is_count(name, value):
            yield value
        else:
            yield from _counts(value)


def _is_count(name: object, value: object) -> bool:
    return str(name).lower().endswith(_COUNTS) and not (value is None or isinstance(value, (Mapping, list)))


def _first(said: Mapping[str, Any], paths: tuple[tuple[str, ...], ...]) -> int | None:
    for *parents, name in paths:
        holder: Any = said
        for parent in parents:
            holder = holder.get(parent) if isinstance(holder, Mapping) else None
        if isinstance(holder, Mapping) and (count := _count(holder, name)) is not None:
            return count
    return None


def _count(holder: Mapping[str, Any], name: str) -> int | None:
    return amount(holder.get(name))


def amount(value: object) -> int | None:
    """Return a count that a vendor said; None for what is no amount."""
    return int(value) if _is_amount(value) else None


def _is_amount(value: object) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= _MOST


def batch_cost(model: str, usage: Any) -> float | None:
    """Return the US dollars of a request in a vendor's batch; None where LiteLLM's list has no price for batches.

    LiteLLM itself takes half of the usual price then (`batch_cost_calculator`, cost_calculator.py), which nobody said.
    """
    import litellm
    from litellm.cost_calculator import batch_cost_calculator

    if litellm.get_model_info(model).get("input_cost_per_token_batches") is None:
        return None
    return float(sum(batch_cost_calculator(usage, model)))


def facts_of(model: str) -> Mapping[str, Any]:
    """Return the entry of a model in LiteLLM's list. Raises Exception where it has none."""
    import litellm

    facts: Mapping[str, Any] = litellm.model_cost[litellm.get_model_info(model)["key"]]
    return facts


def priced(model: str, costs: tuple[float, float], tokens: tuple[int, int]) -> float | None:
    """Return the sum of LiteLLM's `costs` of the `tokens` in and out; None where its list lacks a price for some.

    LiteLLM takes 0 for a price that its list does not have, and makes entries with such prices for models that are not
    in it, as `openai/gpt-9` (`_get_model_info_helper`, litellm/utils.py, litellm 1.110.2).
    Raises KeyError for such a model.
    """
    facts: Mapping[str, Any] = {}
    for side, cost, count in zip(("input", "output"), costs, tokens, strict=True):
        if count and not cost:
            facts = facts or facts_of(model)
            if facts.get(f"{side}_cost_per_token") is None or is_free_of_tokens(facts):
                return None
    return float(sum(costs))


def _cost(model: str, counted: Mapping[str, Any], tier: str | None, media: Media) -> float | None:
    """US dollars by LiteLLM's price list; None for a model that is not in it, or not with a price of tokens."""
    import litellm

    if model.partition("/")[0] in OWN_SERVERS:
        return 0.0
    try:
        usage = litellm.Usage(**counted)
        if media != NO_MEDIA and not has_known_price(facts_of(model), counted, media):
            return None
        if is_batch():
            return batch_cost(model, usage)
        costs = litellm.cost_per_token(model=model, usage_object=usage, service_tier=tier)
        return priced(model, costs, (usage.prompt_tokens, usage.completion_tokens))
    except Exception:  # an unknown model is no failure of the call, and LiteLLM raises a bare Exception for it
        return None
