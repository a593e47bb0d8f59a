"""Parts of vendors' answers that LiteLLM's translation leaves out, in the vocabulary of OpenAI's chat completions.

What is said here of LiteLLM is so in 1.110.2. A part for which that vocabulary has no word is among `vendor_parts`, as
the vendor says it (`parts`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from theoryctl_providers.contract import ProviderError
from theoryctl_providers.litellm.usage import in_integers

#: Words of the lines that may hold such a part; another line need not be read for one.
WORDS = ('"content_block', "partial_json", '"thinking"', '"tool_plan"', '"images"', '"logprobs"', '"candidates"')

#: Blocks of Anthropic's that LiteLLM translates (docs.anthropic.com/en/api/messages, `content`).
_BLOCKS = ("text", "thinking", "redacted_thinking", "tool_use")

#: Fields of a part of Gemini's that LiteLLM translates, and those of a candidate that it leaves out
#: (ai.google.dev/api/generate-content, `Part` and `Candidate`).
_PARTS = ("text", "functionCall", "inlineData")
_BESIDE = ("citationMetadata", "urlContextMetadata")

#: The signature of a part of Gemini's (ai.google.dev/gemini-api/docs/thought-signatures), which LiteLLM keeps for calls
#: and thoughts alone.
_SIGNED = "thoughtSignature"

#: Fields of a block of Bedrock's, of which each has one, that LiteLLM translates
#: (docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html).
_OF_BEDROCK = ("text", "toolUse", "reasoningContent")

#: Reasons that end no answer, which LiteLLM calls "stop": Gemini's, Cohere's (docs.cohere.com/v2/reference/chat) and
#: Bedrock's (API_runtime_Converse.html, `stopReason`).
_FAILURES = (
    *("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE"),
    *("MISSING_THOUGHT_SIGNATURE", "ERROR", "TIMEOUT", "malformed_model_output", "malformed_tool_use"),
)


@dataclass(slots=True)
class _Block:
    """A block of Anthropic's that has begun; `call` is the number of a call of a tool."""

    start: dict[str, Any]
    call: int | None
    pieces: list[str] = field(default_factory=list)


class Untranslated:
    """Reads a vendor's own documents, whole ones and those of a stream."""

    def __init__(self) -> None:
        #: The reason that ended an answer that is none.
        self.failure: str | None = None
        self._choices: list[dict[str, Any]] = []
        #: Pieces of calls, which LiteLLM may begin later than they are found.
        self._calls_left: list[dict[str, Any]] = []
        self._blocks: dict[Any, _Block] = {}
        self._calls = 0

    def taken(self, *, at_end: bool) -> list[dict[str, Any]]:
        """Return the pieces of choices that were found since the last time; those of calls are kept until the end."""
        found, self._choices = self._choices, []
        return [*found, *self._calls_left] if at_end else found

    def read(self, document: Mapping[str, Any]) -> None:
        """Look for such parts in one document."""
        kind, message = document.get("type"), _mapping(document.get("message"))
        if isinstance(document.get("candidates"), list):
            self._read_gemini(document["candidates"])
        elif kind == "message":
            self._note(vendor_parts=[block for block in _listed(document, "content") if _is_foreign(block)])
        elif isinstance(kind, str) and kind.startswith("content_block_"):
            self._read_block(kind, document)
        elif "stopReason" in document:
            self._read_bedrock(document)
        elif "done" in document:
            self._note(images=_listed(message, "images"))
            self._note(logprobs=document.get("logprobs"))
        else:
            self._read_cohere(document, message)

    def _note(self, index: int = 0, logprobs: Any = None, **message: Any) -> None:
        if logprobs or any(message.values()):
            self._choices.append({"index": index, "delta": message, "logprobs": logprobs})

    def _end(self, reason: Any, words: Any = None) -> None:
        if reason in _FAILURES:
            self.failure = f"{reason}: {words}" if isinstance(words, str) and words else str(reason)

    def _read_gemini(self, candidates: list[Any]) -> None:
        for position, candidate in enumerate(map(_mapping, candidates)):
            index = candidate.get("index", position)
            parts = [_mapping(part) for part in _listed(_mapping(candidate.get("content")), "parts")]
            notes = [dict(part) for part in parts if part and part.keys().isdisjoint(_PARTS)]
            notes += [{_SIGNED: part[_SIGNED]} for part in parts if _is_signed(part)]
            notes += [{name: candidate[name]} for name in _BESIDE if candidate.get(name)]
            self._note(index, vendor_parts=notes)
            for data in (_mapping(part.get("inlineData")) for part in parts):
                kind = str(data.get("mimeType"))
                if kind.startswith("audio/"):
                    self._note(index, audio={"data": data.get("data"), "media_type": kind})
                elif data and not kind.startswith("image/"):
                    self._note(index, vendor_parts=[{"inlineData": dict(data)}])
            self._end(candidate.get("finishReason"), candidate.get("finishMessage"))

    def _read_bedrock(self, document: Mapping[str, Any]) -> None:
        blocks = _listed(_mapping(_mapping(document.get("output")).get("message")), "content")
        for block in map(_mapping, blocks):
            packed = _mapping(_mapping(block.get("image")).get("source")).get("bytes")
            if isinstance(packed, str):
                self._note(images=[packed])
            elif block.keys().isdisjoint(_OF_BEDROCK):
                self._note(vendor_parts=[dict(block)])
        self._end(document["stopReason"])

    def _read_cohere(self, document: Mapping[str, Any], message: Mapping[str, Any]) -> None:
        """Its thinking, and its plan before a call of tools, which is that too."""
        delta = _mapping(document.get("delta"))
        for item in map(_mapping, _items(document.get("logprobs"))):
            self._note_logprobs(item)
        message = message or _mapping(delta.get("message"))
        content = message.get("content")
        for part in map(_mapping, content if isinstance(content, list) else [content]):
            self._note(reasoning_content=part.get("thinking"))
        self._note(reasoning_content=message.get("tool_plan"))
        self._end(document.get("finish_reason") or delta.get("finish_reason"))

    def _note_logprobs(self, item: Mapping[str, Any]) -> None:
        """Note log probabilities of Cohere: of a text of several tokens it does not say the texts (`LogprobItem`)."""
        numbers = _listed(item, "logprobs")
        if len(numbers) == 1 and isinstance(item.get("text"), str):
            entry = {"token": item["text"], "logprob": numbers[0], "bytes": None, "top_logprobs": []}
            self._note(logprobs={"content": [entry]})
        elif item:
            self._note(vendor_parts=[{"logprobs": dict(item)}])

    def _read_block(self, kind: str, document: Mapping[str, Any]) -> None:
        at, block = document.get("index"), _mapping(document.get("content_block"))
        if kind == "content_block_start":
            self._begin(at, block)
        elif at in self._blocks and kind == "content_block_delta":
            piece = _mapping(document.get("delta")).get("partial_json")
            self._blocks[at].pieces.append(piece if isinstance(piece, str) else "")
        elif at in self._blocks and kind == "content_block_stop":
            self._finish(self._blocks.pop(at))

    def _begin(self, at: Any, block: Mapping[str, Any]) -> None:
        if block.get("type") == "tool_use":
            if block.get("input"):
                self._blocks[at] = _Block(dict(block), self._calls)
            self._calls += 1
        elif _is_foreign(block):
            self._blocks[at] = _Block(dict(block), None)

    def _finish(self, block: _Block) -> None:
        said = "".join(block.pieces)
        if block.call is None:
            self._note(vendor_parts=[{**block.start, **({"input": _value_of(said)} if said else {})}])
        elif not said:  # the input came with the beginning, which LiteLLM does not read
            function = {"arguments": json.dumps(block.start["input"])}
            delta = {"tool_calls": [{"index": block.call, "function": function}]}
            self._calls_left.append({"index": 0, "delta": delta})


def _is_signed(part: Mapping[str, Any]) -> bool:
    """Say whether a part has a signature that is told nowhere else."""
    return bool(part.get(_SIGNED)) and ("text" in part or "inlineData" in part) and not part.get("thought")


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_foreign(block: Any) -> bool:
    return isinstance(block, Mapping) and bool(block) and block.get("type") not in _BLOCKS


def _value_of(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _listed(holder: Mapping[str, Any], name: str) -> list[Any]:
    value = holder.get(name)
    return value if isinstance(value, list) else []


#: Fields that hold counts, in the documents of all vendors whose answers LiteLLM translates.
_COUNTS = ("usage", "usageMetadata", "prompt_eval_count", "eval_count")


def amended(document: Any) -> Any:
    """Return a document without what LiteLLM fails at: counts that are no integers, and an image of Ollama's."""
    if not isinstance(document, dict) or "choices" in document:
        return document
    found = {**document, **{name: in_integers(document[name], name) for name in _COUNTS if name in document}}
    message, delta = found.get("message"), found.get("delta")
    if "done" in found and isinstance(message, dict):
        found["message"] = {name: value for name, value in message.items() if name != "images"}
    if isinstance(delta, dict) and "usage" in delta:  # of Cohere's last event
        found["delta"] = {**delta, "usage": in_integers(delta["usage"])}
    return found


def amend() -> None:
    """Have LiteLLM read what is legal and unusual. Called once, at loading."""
    from litellm.llms.bedrock.chat.invoke_handler import AWSEventStreamDecoder
    from litellm.llms.ollama.chat.transformation import OllamaChatCompletionResponseIterator
    from litellm.llms.vertex_ai.gemini.vertex_and_google_ai_studio_gemini import VertexGeminiConfig

    of_bedrock, of_ollama = (
        AWSEventStreamDecoder.converse_chunk_parser,
        OllamaChatCompletionResponseIterator.chunk_parser,
    )
    transform = VertexGeminiConfig._transform_parts

    def converse_chunk_parser(self: Any, chunk_data: Any) -> Any:
        if chunk_data.get("stopReason") in _FAILURES:  # nobody else sees it: its streams are binary
            raise ended_for(chunk_data["stopReason"])
        return of_bedrock(self, amended(chunk_data))

    def chunk_parser(self: Any, chunk: Any) -> Any:
        return of_ollama(self, amended(chunk))

    def _transform_parts(parts: Any, *arguments: Any, **options: Any) -> Any:
        for part in parts:
            if "functionCall" in part:
                part["functionCall"].setdefault("args", {})  # a call without arguments may leave them out
        return transform(parts, *arguments, **options)

    AWSEventStreamDecoder.converse_chunk_parser = converse_chunk_parser
    OllamaChatCompletionResponseIterator.chunk_parser = chunk_parser
    VertexGeminiConfig._transform_parts = staticmethod(_transform_parts)


def ended_for(reason: str) -> ProviderError:
    """Return the error for an answer that ended for a failure."""
    return ProviderError("ERR_BAD_RESPONSE", f"the answer ended for this reason: {reason}", hint="try again")
