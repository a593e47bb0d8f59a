"""A message of Anthropic's API as a document: its content blocks, the reason that it ended, and its usage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from theoryctl_providers.contract import Output, Usage
from theoryctl_providers.contract.answer import Answer, Choice, ToolCall
from theoryctl_providers.wires.arguments import arguments_of
from theoryctl_providers.wires.exchange import Head
from theoryctl_providers.wires.images import ADDRESS, images_of, in_base64

_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}

#: The output that names the stop sequence which ended an answer.
STOP_SEQUENCE = "stop_sequence"

#: What a message says of its end before it has come.
UNENDED = {"stop_reason": None, "stop_sequence": None}

#: Types of Anthropic's own citations end like this (anthropic/types/text_citation.py).
_CITATION = "_location"


def message_document(head: Head, answer: Answer) -> dict[str, Any]:
    """A whole message."""
    choice = answer.choices.get(0) or Choice()
    content = list(_blocks(choice, answer.outputs_of(0)))
    model = answer.vendor.model if answer.vendor else None
    ended = ending(choice.finish, answer.outputs_of(0).get(STOP_SEQUENCE), is_refusal=bool(choice.refusal))
    return message(head, model, content, ended, usage_document(answer.usage))


def message(
    head: Head, model: str | None, content: list[dict[str, Any]], ended: dict[str, Any], usage: dict[str, Any]
) -> dict[str, Any]:
    """The fields of a message. `model` is the one that really answered, where it is known, `ended` is an `ending`."""
    return {
        "id": f"msg_{head.key}",
        "type": "message",
        "role": "assistant",
        "model": model or head.model,
        "content": content,
        **ended,
        "usage": usage,
    }


def ending(finish: str, stopped: Output | None, *, is_refusal: bool) -> dict[str, Any]:
    """The reason in Anthropic's words, and the stop sequence that the answer's output names: a text, or it is none.

    A provider may mean something else by an output of this name.
    """
    stop = stopped.value if stopped is not None else None
    if isinstance(stop, str) and finish == "stop" and not is_refusal:
        return {"stop_reason": "stop_sequence", "stop_sequence": stop}
    reason = "refusal" if is_refusal else _STOP_REASONS.get(finish, "end_turn")
    return {**UNENDED, "stop_reason": reason}


def usage_document(usage: Usage) -> dict[str, Any]:
    """Tokens, null where nobody said how many. Anthropic counts those from and into a cache apart from the others."""
    sent, cached, written = usage.input_tokens, usage.cached_input_tokens, usage.cache_write_tokens
    document = {
        "input_tokens": None if sent is None else max(0, sent - (cached or 0) - (written or 0)),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": cached,
        "output_tokens": usage.output_tokens,
    }
    thought = usage.reasoning_tokens
    return document if thought is None else {**document, "output_tokens_details": {"thinking_tokens": thought}}


def counted_so_far(usage: Usage) -> dict[str, Any]:
    """Tokens at the beginning of a stream, whose counts grow until its end, which tells them all.

    Clients take numbers alone here (@ai-sdk/anthropic 4.0, anthropic-api.ts; anthropic/types/usage.py).
    """
    begun = usage_document(usage)
    return {**begun, "input_tokens": begun["input_tokens"] or 0, "output_tokens": begun["output_tokens"] or 0}


def citation_of(annotation: Mapping[str, Any]) -> dict[str, Any]:
    """A source of the text: one of Anthropic's as it is, an address as one that was found on the web.

    What nobody said is empty, as a signature is: clients take texts alone there (@ai-sdk/anthropic 4.0,
    anthropic-api.ts; anthropic/types/citations_web_search_result_location.py).
    """
    if str(annotation.get("type")).endswith(_CITATION):
        return dict(annotation)
    cited = annotation.get("url_citation")
    facts = cited if isinstance(cited, Mapping) else annotation
    known = {"url": facts.get("url"), "title": facts.get("title"), "cited_text": "", "encrypted_index": ""}
    return {"type": "web_search_result_location", **known}


def image_block(output: Output) -> dict[str, Any]:
    """An image of the answer, in the shape that a request has for it."""
    if output.media_type == ADDRESS:
        return {"type": "image", "source": {"type": "url", "url": output.value}}
    data = in_base64(output)
    return {"type": "image", "source": {"type": "base64", "media_type": output.media_type, "data": data}}


def thinking_blocks(outputs: Mapping[str, Output]) -> list[dict[str, Any]]:
    """The blocks of reasoning as the vendor wants them back."""
    output = outputs.get("thinking_blocks")
    blocks = output.value if output is not None and isinstance(output.value, list) else []
    return [thinking_block(block) for block in blocks if isinstance(block, Mapping)]


def thinking_block(block: Mapping[str, Any]) -> dict[str, Any]:
    """A block of reasoning with the fields that Anthropic's have."""
    if block.get("type") == "redacted_thinking":
        return {"type": "redacted_thinking", "data": block.get("data")}
    return {"type": "thinking", "thinking": block.get("thinking") or "", "signature": block.get("signature") or ""}


def _blocks(choice: Choice, outputs: Mapping[str, Output]) -> Iterator[dict[str, Any]]:
    thought = thinking_blocks(outputs)
    if choice.reasoning and not thought:
        thought = [thinking_block({"thinking": "".join(choice.reasoning)})]
    yield from thought
    images = images_of(outputs)
    text = choice.text + "".join(choice.refusal)
    if text or not (choice.calls or images):
        citations = list(map(citation_of, choice.annotations))
        yield {"type": "text", "text": text, **({"citations": citations} if citations else {})}
    yield from map(image_block, images)
    yield from (_call(choice.calls[at]) for at in sorted(choice.calls))


def _call(call: ToolCall) -> dict[str, Any]:
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": arguments_of(call)}
