"""`generateContent`, `streamGenerateContent` and `countTokens`: the body as inputs, the answer as candidates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theoryctl_providers.contract import Operation, Result, dumps
from theoryctl_providers.inputs.normalize import vendor_in
from theoryctl_providers.wires.body import check_keys, object_in, schema_format, stated, unsupported, wrong
from theoryctl_providers.wires.exchange import Chunks, Exchange, Head, HeadedExchange
from theoryctl_providers.wires.gemini.candidates import Candidates, whole_answer
from theoryctl_providers.wires.gemini.conversation import Conversation
from theoryctl_providers.wires.gemini.names import camel
from theoryctl_providers.wires.gemini.tools import inputs_of_tools
from theoryctl_providers.wires.reply import EVENT_STREAM, JSON

#: Parameters that Gemini alone knows. They go to the vendor in `extra_body`.
_OWN = ("safetySettings", "cachedContent", "labels", "serviceTier", "store")

#: Those of the configuration. LiteLLM adds them to its own (llms/vertex_ai/gemini, _pop_and_merge_extra_body).
_OWN_CONFIG = (
    "mediaResolution",
    "audioTimestamp",
    "routingConfig",
    "modelSelectionConfig",
    "enableEnhancedCivicAnswers",
)

_KNOWN = frozenset(
    ("contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "extra_body", "model", *_OWN)
)

#: The configuration in the vocabulary of chat completions.
_CONFIG = {
    "temperature": "temperature",
    "topP": "top_p",
    "topK": "top_k",
    "maxOutputTokens": "max_tokens",
    "stopSequences": "stop",
    "candidateCount": "n",
    "seed": "seed",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
    "responseLogprobs": "logprobs",
    "logprobs": "top_logprobs",
}
#: What is said of thoughts (google-genai 3.6, types.ThinkingConfig and ThinkingLevel).
_THOUGHTS = ("includeThoughts", "thinkingBudget", "thinkingLevel")
_LEVELS = ("MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH")
_UNSET = "THINKING_LEVEL_UNSPECIFIED"
_SHAPE = ("responseMimeType", "responseSchema", "responseJsonSchema", "thinkingConfig", "responseModalities")

#: The type of an answer that is one of the words of its schema.
_ENUM = "text/x.enum"

_PARAMS = {ours: f"generationConfig.{theirs}" for theirs, ours in _CONFIG.items()} | {
    "tool_choice": "toolConfig.functionCallingConfig",
    "response_format": "generationConfig.responseSchema",
    "messages": "contents",
}


class Asked:
    """The inputs that a body stands for, and what an error calls them.

    Raises ProviderError: `ERR_INPUTS` for what is no such body, `ERR_UNSUPPORTED_PARAM` for what has no counterpart.
    """

    def __init__(self, model: str, body: Mapping[str, Any]) -> None:
        extra = object_in(body, "extra_body")
        given = camel({name: value for name, value in body.items() if name != "extra_body"})
        check_keys(given, _KNOWN)
        conversation = Conversation(given.get("systemInstruction"), given.get("contents"))
        config = camel(object_in(given, "generationConfig"))
        is_own = _is_geminis(model)
        own = {name: given[name] for name in _OWN if name in given} | _own_config(config, is_own)
        #: Whether the answer is one of several words, and no JSON.
        self.is_enum = config.get("responseMimeType") == _ENUM
        self.inputs: dict[str, Any] = {
            "model": model,
            "messages": conversation.messages,
            **inputs_of_generation(config),
            **({} if is_own else _thinking_of(config)),
            **inputs_of_tools(given.get("tools"), camel(object_in(given, "toolConfig"))),
            **stated({"extra_body": _joined(own, extra) or None}),
        }
        self.params = {**_PARAMS, **conversation.origins}


class Generate(HeadedExchange):
    """One exchange."""

    def __init__(self, model: str, body: Mapping[str, Any]) -> None:
        asked = Asked(model, body)
        self.model, self.inputs, self._params = model, asked.inputs, asked.params
        self.is_enum = asked.is_enum

    @property
    def params(self) -> Mapping[str, str]:
        """Paths in the inputs, and what they are called in the request."""
        return self._params

    def whole(self, result: Result) -> bytes:
        """Write the answer as one document."""
        return dumps(whole_answer(self.head, self.answer_of(result), self.is_enum)).encode()


class StreamedGenerate(Generate):
    """One exchange whose answer comes in pieces: events, or without `as_events` the items of one JSON array."""

    streamed = True

    def __init__(self, model: str, body: Mapping[str, Any], *, as_events: bool) -> None:
        super().__init__(model, body)
        self._as_events = as_events
        self.kind = EVENT_STREAM if as_events else JSON

    def chunked(self, head: Head) -> Chunks:
        """Make what writes the answer in pieces."""
        return Candidates(head, self._as_events, self.is_enum)


class TokenCount(Exchange):
    """One exchange that counts the tokens of a prompt."""

    operation: Operation = "count_tokens"

    def __init__(self, model: str, body: Mapping[str, Any]) -> None:
        inner = object_in(body, "generateContentRequest")
        asked = Asked(model, inner or body)
        self.inputs, self._params = asked.inputs, asked.params

    @property
    def params(self) -> Mapping[str, str]:
        """Paths in the inputs, and what they are called in the request."""
        return self._params

    def whole(self, result: Result) -> bytes:
        """Write the number."""
        return dumps({"totalTokens": result.envelope["usage"]["input_tokens"]}).encode()


def inputs_of_generation(config: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs that a `generationConfig` stands for, but for its thoughts. Raises ProviderError."""
    modalities = config.get("responseModalities")
    if isinstance(modalities, list) and not {"TEXT"}.issuperset(map(str, modalities)):
        raise unsupported("generationConfig.responseModalities", "answers are text only")
    inputs = {ours: config[theirs] for theirs, ours in _CONFIG.items() if config.get(theirs) not in (None, [])}
    check_keys(config, (*_CONFIG, *_SHAPE, *_OWN_CONFIG))
    return inputs | stated({"response_format": _format_of(config)})


def _is_geminis(model: str) -> bool:
    """Tell whether a model is one of Google's Gemini, which take thoughts in Gemini's own words."""
    vendor = vendor_in(model)
    return vendor in (None, "gemini") or (vendor in ("vertex_ai", "vertex_ai_beta") and "gemini" in model)


def _own_config(config: Mapping[str, Any], is_own: bool) -> dict[str, Any]:
    """Keep what Gemini alone knows of a configuration."""
    own = {name: config[name] for name in _OWN_CONFIG if name in config}
    if thinking := _own_thoughts(config, is_own):
        own["thinkingConfig"] = thinking
    return {"generationConfig": own} if own else {}


def _own_thoughts(config: Mapping[str, Any], is_own: bool) -> dict[str, Any]:
    """Keep all that is said of thoughts for a model of Gemini's, and for others what no input says."""
    thinking = _thoughts_in(config)
    if is_own:
        return thinking
    # A budget of -1 leaves it to the model, as other vendors do where nothing is said.
    return {} if _thinking_of(config) else {name: thinking[name] for name in thinking if name != "thinkingBudget"}


def _thoughts_in(config: Mapping[str, Any]) -> dict[str, Any]:
    """Read what is said of thoughts. Raises ProviderError `ERR_INPUTS` for what Gemini does not know of them."""
    where = "generationConfig.thinkingConfig"
    thinking = camel(object_in(config, "thinkingConfig"))
    check_keys(thinking, _THOUGHTS, where)
    if not isinstance(shown := thinking.get("includeThoughts", False), bool):
        raise wrong(f"{where}.includeThoughts", f"expected true or false, got {shown!r:.60}")
    budget = thinking.get("thinkingBudget", 0)
    if not isinstance(budget, int) or isinstance(budget, bool) or budget < -1:
        raise wrong(f"{where}.thinkingBudget", f"expected an integer of at least -1, got {budget!r:.60}")
    level = thinking.get("thinkingLevel", _UNSET)
    if not isinstance(level, str) or level.upper() not in (_UNSET, *_LEVELS):
        raise wrong(f"{where}.thinkingLevel", f"expected {' or '.join(_LEVELS)}, got {level!r:.60}")
    return {name: value for name, value in thinking.items() if value != _UNSET}


def _joined(own: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Add a caller's `extra_body` to what goes there by itself: both may have a part of the configuration."""
    joined = {**own, **extra}
    if isinstance(more := extra.get("generationConfig"), Mapping):
        joined["generationConfig"] = {**own.get("generationConfig", {}), **more}
    return joined


def _format_of(config: Mapping[str, Any]) -> dict[str, Any] | None:
    from theoryctl_providers.wires.gemini.names import json_schema

    if "responseJsonSchema" in config:
        return schema_format(config["responseJsonSchema"])
    if "responseSchema" in config:
        return schema_format(json_schema(config["responseSchema"]))
    kind = config.get("responseMimeType")
    if kind in (None, "text/plain"):
        return None
    if kind == "application/json":
        return {"type": "json_object"}
    if kind == _ENUM:
        raise wrong(
            "generationConfig.responseSchema",
            f"{_ENUM} takes the words of a schema, and there is none: give a responseSchema with it",
        )
    raise wrong(
        "generationConfig.responseMimeType", f"expected text/plain, application/json or {_ENUM}, got {kind!r:.60}"
    )


def _thinking_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Say how much is thought in the words of other vendors; nothing where that is left to the model."""
    thinking = _thoughts_in(config)
    if level := thinking.get("thinkingLevel"):
        return {"reasoning_effort": level.lower()}
    budget = thinking.get("thinkingBudget")
    if budget == 0:
        return {"reasoning_effort": "none"}
    return {"thinking": {"type": "enabled", "budget_tokens": budget}} if budget and budget != -1 else {}
