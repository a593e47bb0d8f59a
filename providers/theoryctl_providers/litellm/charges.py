"""Charges of vendors beside those for tokens: searches of the web, and other tools that a vendor runs itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

#: Vendors whose models run on a server of one's own: a call costs nothing.
OWN_SERVERS = frozenset(("ollama", "ollama_chat", "hosted_vllm", "lm_studio"))

#: Names of models that search in every call: OpenAI's `gpt-4o-search-preview`, `gpt-5-search-api` and
#: `o3-deep-research`, Perplexity's `sonar` and `pplx-7b-online`, which others sell too, OpenRouter's `…:online`, and
#: Groq's `compound-beta`. LiteLLM's list does not tell them from models that can search: `gpt-4o-mini` has a price of a
#: search there too, `search_context_cost_per_query` (litellm 1.110.2).
_SEARCHING = re.compile(
    r"(?:^|[/:._-])(?:(?:web)?search|sonar|online|deep-research|compound)(?:$|[/:._-])", re.IGNORECASE
)

#: Types of tools that the caller runs: OpenAI's, and those that Anthropic names by date
#: (docs.anthropic.com/en/docs/agents-and-tools/tool-use/overview, "client tools").
_CALLERS = re.compile(r"function|custom|(?:bash|text_editor|computer|memory)(?:_toolset)?_\d+")

#: The fields of a tool of the caller that has no type: Anthropic's, Gemini's and Bedrock's.
_UNTYPED = frozenset(
    (
        *("cache_control", "description", "function", "input_schema", "name", "parameters", "strict"),
        *("functionDeclarations", "function_declarations", "toolSpec", "cachePoint"),
    )
)

#: Fields of a body that have a vendor run more than the model, beside those with a search in their name: OpenRouter's
#: `plugins`, Anthropic's `mcp_servers`, Cohere's `connectors`, Azure's `data_sources`.
_RUNNING = frozenset(("plugins", "mcp_servers", "connectors", "data_sources"))

#: Names in usage under which vendors count what they bill beside the tokens.
_SEARCHED = re.compile("(?<!re)search|grounding|server_(?:side_)?tool|num_sources")

#: Ways to say that nothing is searched; `{"mode": "off"}` is xAI's.
_OFF: tuple[Any, ...] = (None, False, "", "off", "none", "disabled", [], {"mode": "off"})


def searches(model: str, inputs: Mapping[str, Any]) -> bool:
    """Tell whether a call of `model` may be billed for more than its tokens.

    It may where the model always searches, and where `inputs` ask for a search, or for another tool that the vendor
    runs. `extra_body` counts as the inputs do. A model that can search, and is not asked to, has the price of its
    tokens, and a server of one's own bills nothing.
    """
    if model.partition("/")[0] in OWN_SERVERS:
        return False
    return bool(_SEARCHING.search(model) or asking(inputs))


def asking(inputs: Mapping[str, Any]) -> list[str]:
    """Return the names of the inputs, and of the fields of `extra_body`, that ask for more than the model."""
    return [name for name, value in _fields(inputs) if _asks(name, value)]


def tells_of_searches(usage: Any, name: str = "") -> bool:
    """Tell whether a vendor's usage counts what has a price beside the tokens, at any depth; `name` is that of `usage`.

    Anthropic has it in `server_tool_use.web_search_requests`, xAI in `server_side_tool_usage_details.web_search_calls`
    and `num_sources_used`, Perplexity in `num_search_queries`, Cohere in `billed_units.search_units`; LiteLLM writes
    `web_search_requests` and `google_maps_grounding_requests` (litellm/types/utils.py).
    """
    if isinstance(usage, Mapping):
        return any(tells_of_searches(value, f"{name}.{key}") for key, value in usage.items())
    if isinstance(usage, list):
        return any(tells_of_searches(value, name) for value in usage)
    is_counted = isinstance(usage, (int, float)) and not isinstance(usage, bool) and usage != 0
    return is_counted and _SEARCHED.search(name) is not None


def is_free_of_tokens(facts: Mapping[str, Any]) -> bool:
    """Tell whether an entry of LiteLLM's list has prices, but none of tokens, or 0: Google's Lyria is paid by the song,
    which is called `output_cost_per_image` there."""
    prices = {
        name for name, value in facts.items() if "_cost_per_" in name and isinstance(value, (int, float)) and value
    }
    return bool(prices) and not any("token" in name for name in prices)


def _fields(inputs: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The fields of the body that inputs become, and those that stand in an object of `extra_body`, as
    `venice_parameters` and Bedrock's `toolConfig`."""
    extra = inputs.get("extra_body")
    beyond = extra if isinstance(extra, Mapping) else {}
    yield from inputs.items()
    yield from beyond.items()
    for value in beyond.values():
        if isinstance(value, Mapping):
            yield from value.items()


def _asks(name: str, value: Any) -> bool:
    if name == "tools":
        return isinstance(value, list) and not all(map(_is_callers, value))
    is_named = name in _RUNNING or ("search" in name.lower() and "beam" not in name)  # vLLM's `use_beam_search`
    return is_named and value not in _OFF


def _is_callers(tool: Any) -> bool:
    """Tell whether the caller runs a tool. What the vendor runs may have a price, and what it reads is input too."""
    if not isinstance(tool, Mapping):
        return True
    kind = tool.get("type")
    return tool.keys() <= _UNTYPED if kind is None else _CALLERS.fullmatch(str(kind)) is not None
