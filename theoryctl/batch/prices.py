"""Prices and limits of models, by LiteLLM's own table, read as a file: LiteLLM itself is not loaded."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

#: The table in LiteLLM's package (litellm 1.110.2).
_TABLE = "model_prices_and_context_window_backup.json"

#: The reason why no price is known where that is not installed.
NO_TABLE = "prices need LiteLLM, which is not installed here"

#: Prices of a token. Some count only above a number of tokens, and some only for a tier of service.
_TIER = "(?:_(priority|flex|ultrafast|batches))?"
_INPUT = re.compile(rf"input_cost_per_token(?:_above_(\d+)k_tokens)?{_TIER}")
_OUTPUT = re.compile(rf"output_cost_per_(?:(?:audio|image|reasoning|video)_)?token(?:_above_(\d+)k_tokens)?{_TIER}")
_CACHED = re.compile(rf"cache_creation_input_token_cost(?:_above_\d+hr)?(?:_above_(\d+)k_tokens)?{_TIER}")
_MEDIA = re.compile(rf"input_cost_per_(?:audio|image|video)_token(){_TIER}")

#: Modes in the table of models that a provider can be asked for, and characters of a name that is compared with theirs.
_ASKED = frozenset(("chat", "responses", "embedding"))
_LONGEST_NAME = 100

#: The tier of vendors' batches. Its prices stand in the place of the usual ones, which are never lower.
BATCHES = "batches"


class Price(NamedTuple):
    """The highest prices in US dollars a token that can count, and the model's limits in tokens; None is unknown.

    `is_usual` says that a price for batches was wanted, and the table has none: these are the usual ones.
    """

    input: float | None
    output: float | None
    context: int | None = None
    most_output: int | None = None
    is_usual: bool = False


_FREE = Price(0.0, 0.0)
_UNKNOWN = Price(None, None)


def table_file() -> Path | None:
    """Return the path of LiteLLM's table; None where LiteLLM is not installed."""
    from importlib.util import find_spec

    spec = find_spec("litellm")
    file = Path(spec.origin).parent / _TABLE if spec and spec.origin else None
    return file if file and file.is_file() else None


@cache
def _table() -> Mapping[str, Mapping[str, Any]]:
    file = table_file()
    return json.loads(file.read_bytes()) if file else {}


def source() -> str | None:
    """Return the release of LiteLLM whose table it is; None without one."""
    if table_file() is None:
        return None
    from importlib.metadata import version

    return f"litellm {version('litellm')}"


def facts_of(model: str) -> Mapping[str, Any] | None:
    """Return the entry of a model, named as vendor/name; None where the table has none."""
    vendor, _, name = model.partition("/")
    found = _table().get(model)
    if found is None and (bare := _table().get(name)) is not None and _is_of(bare, vendor):
        found = bare
    return found


def _is_of(facts: Mapping[str, Any], vendor: str) -> bool:
    """Tell whether an entry without a vendor in its name is that vendor's; some parts of one are `vertex_ai-…`."""
    owner = str(facts.get("litellm_provider"))
    return vendor in (owner, owner.partition("-")[0], owner.removesuffix("_converse"))


def near_model(model: str) -> str | None:
    """Return the model of the same vendor that has a price and is called nearly the same; None where there is none."""
    from difflib import get_close_matches

    if facts_of(model) is not None:
        return None
    vendor, _, name = model.partition("/")
    named = {key.removeprefix(f"{vendor}/") for key, facts in _table().items() if _is_sold(key, facts, vendor)}
    near = get_close_matches(name[:_LONGEST_NAME], named, n=1, cutoff=0.85)
    return f"{vendor}/{near[0]}" if near else None


def _is_sold(key: str, facts: Mapping[str, Any], vendor: str) -> bool:
    is_priced = facts.get("mode") in _ASKED and "input_cost_per_token" in facts
    return is_priced and (key.startswith(f"{vendor}/") or ("/" not in key and _is_of(facts, vendor)))


def price_of(
    model: str,
    tokens: int,
    *,
    tier: str | None = None,
    cached: bool = False,
    media: bool = False,
    routing: Sequence[str] = (),
) -> Price:
    """Return the price of a call with at most so many tokens in, at a tier of service. `cached` says that the vendor is
    asked to write its cache, `media` that there is more than text; `routing` are words such as `fast` that multiply."""
    from theoryctl_providers.litellm.charges import OWN_SERVERS, is_free_of_tokens

    if model.partition("/")[0] in OWN_SERVERS:
        return _FREE
    facts = facts_of(model)
    if facts is None or is_free_of_tokens(facts):
        return _UNKNOWN
    patterns = [_INPUT, *([_CACHED] if cached else []), *([_MEDIA] if media else [])]
    is_usual = tier == BATCHES and "input_cost_per_token_batches" not in facts
    tier = None if is_usual else tier
    factor = _factor(facts, routing)
    return Price(
        input=_times(_highest(facts, patterns, tokens, tier), factor),
        output=_times(_highest(facts, [_OUTPUT], tokens, tier), factor),
        context=_whole(facts.get("max_input_tokens") or facts.get("max_tokens")),
        most_output=0 if facts.get("mode") == "embedding" else _whole(facts.get("max_output_tokens")),
        is_usual=is_usual,
    )


def _factor(facts: Mapping[str, Any], routing: Sequence[str]) -> float:
    """The factor of words that LiteLLM's table multiplies a price by: `{"us": 1.1, "fast": 2.0}` for Anthropic."""
    factors = facts.get("provider_specific_entry") or {}
    return prod(float(factors.get(word.lower(), 1)) for word in routing)


def _times(price: float | None, factor: float) -> float | None:
    return None if price is None else price * factor


def _highest(facts: Mapping[str, Any], patterns: list[re.Pattern[str]], tokens: int, tier: str | None) -> float | None:
    counting = (
        float(value)
        for name, value in facts.items()
        for pattern in patterns
        if (found := pattern.fullmatch(name)) and isinstance(value, (int, float)) and _counts(found, tokens, tier)
    )
    return max(counting, default=None)


def _counts(found: re.Match[str], tokens: int, tier: str | None) -> bool:
    above, wanted = found[1], found[2]
    is_of_tier = wanted == tier if tier == BATCHES else not wanted or wanted == tier
    return (not above or tokens > int(above) * 1000) and is_of_tier


def _whole(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, float)) and value > 0 else None
