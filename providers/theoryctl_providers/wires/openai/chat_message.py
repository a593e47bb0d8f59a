"""Parts of chat completions as JSON, put together by hand: what varies in them is a few texts, already whole.

Fields that OpenAI's own API lacks have the names that its clients know from other servers: `reasoning_content`
(DeepSeek, vLLM, LiteLLM), `images` and `reasoning_details` (OpenRouter), `thinking_blocks` (LiteLLM), and
`extra_content` (Gemini). They are there only where the vendor said something.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from theoryctl_providers.contract import Output, ToolCallDelta, Usage, VendorInfo
from theoryctl_providers.contract.answer import Choice, ToolCall
from theoryctl_providers.wires.exchange import Head
from theoryctl_providers.wires.images import address_of, images_of
from theoryctl_providers.wires.openai.encrypted_content import BLOCKS
from theoryctl_providers.wires.openai.tools import Toolbox, custom_input


def opening(head: Head, kind: str, vendor: VendorInfo | None) -> str:
    """The beginning of a document, up to its choices. The model is the one that really answered, where it is known."""
    told = vendor or VendorInfo()
    facts = {"system_fingerprint": told.system_fingerprint, "service_tier": told.service_tier}
    said = "".join(f'"{name}":{quoted(value)},' for name, value in facts.items() if value is not None)
    return (
        f'{{"id":"chatcmpl-{head.key}","object":"{kind}","created":{head.created},'
        f'"model":{quoted(told.model or head.model)},{said}'
    )


def choice_document(index: int, choice: Choice, outputs: Mapping[str, Output], tools: Toolbox) -> str:
    """A whole choice; `outputs` are its own, by name, and `tools` those of the request."""
    more = "".join(f",{field}" for field in (*_beside(choice, outputs), *_called(choice, tools)))
    is_text = choice.pieces or not (choice.calls or choice.refusal or images_of(outputs))
    return (
        f'{{"index":{index},"message":{{"role":"assistant","content":{quoted(choice.text) if is_text else "null"},'
        f'"refusal":{quoted("".join(choice.refusal)) if choice.refusal else "null"}{more}}},'
        f'"logprobs":{logprobs_document(outputs.get("logprobs"))},'
        f'"finish_reason":{finish_reason(choice.finish, tools)}}}'
    )


def finish_reason(reason: str, tools: Toolbox) -> str:
    """The reason that an answer ended, as JSON: a call of one of the deprecated functions has its own."""
    return quoted("function_call" if tools.deprecated and reason == "tool_calls" else reason)


def _called(choice: Choice, tools: Toolbox) -> Iterator[str]:
    """The members of a message with its calls. A `function_call` is one: what a script calls beside it is a tool."""
    calls = [choice.calls[at] for at in sorted(choice.calls)]
    if tools.deprecated and calls:
        first = calls.pop(0)
        yield function_call(first.name, "".join(first.arguments) or "{}")
    if calls:
        yield f'"tool_calls":[{",".join(_call(call, tools) for call in calls)}]'


def function_call(name: str | None, arguments: str) -> str:
    """The member of a message or delta with a call of one of the deprecated functions; a later piece has no name."""
    named = "" if name is None else f'"name":{quoted(name)},'
    return f'"function_call":{{{named}"arguments":{quoted(arguments)}}}'


def _beside(choice: Choice, outputs: Mapping[str, Output]) -> Iterator[str]:
    if choice.reasoning:
        yield reasoning_field("".join(choice.reasoning))
    if choice.annotations:
        yield annotations_field(choice.annotations)
    if images := images_of(outputs):
        yield images_field(images)
    for name in BLOCKS:
        if name in outputs:
            yield blocks_field(name, outputs[name])


def reasoning_field(text: str) -> str:
    """Return the member of a message with its reasoning, which OpenAI itself does not have."""
    return f'"reasoning_content":{quoted(text)}'


def annotations_field(annotations: Sequence[Mapping[str, Any]]) -> str:
    """Return the member of a message with its sources."""
    return f'"annotations":{json.dumps([dict(value) for value in annotations])}'


def images_field(images: Sequence[Output], first: int = 0) -> str:
    """Return the member of a message with its images; `first` is the number of the first of these in the message."""
    said = [
        {"type": "image_url", "image_url": {"url": address_of(image)}, "index": index}
        for index, image in enumerate(images, first)
    ]
    return f'"images":{json.dumps(said)}'


def blocks_field(name: str, blocks: Output) -> str:
    """Return the member of a message with blocks that a vendor wants back."""
    return f'"{name}":{json.dumps(blocks.value)}'


def logprobs_document(output: Output | None) -> str:
    """Log probabilities of the tokens of text and refusal; null where none came."""
    if output is None or not isinstance(output.value, Mapping):
        return "null"
    return json.dumps({"content": None, "refusal": None, **output.value})


def call_delta(call: ToolCallDelta) -> str:
    """A piece of a call, as a chunk has it."""
    arguments = quoted(call.arguments)
    if call.id is None and call.name is None:
        return f'{{"index":{call.index},"function":{{"arguments":{arguments}}}}}'
    function = f'{{"name":{quoted(call.name or "")},"arguments":{arguments}}}'
    extra = _extra(call.extra_content)
    return f'{{"index":{call.index},"id":{quoted(call.id or "")},"type":"function","function":{function}{extra}}}'


def custom_call(call_id: str, name: str, arguments: str) -> str:
    """The fields of a call of a custom tool, whole."""
    custom = f'{{"name":{quoted(name)},"input":{quoted(custom_input(arguments))}}}'
    return f'"id":{quoted(call_id)},"type":"custom","custom":{custom}'


def _call(call: ToolCall, tools: Toolbox) -> str:
    if tools.tool(call.name).kind == "custom":
        return f"{{{custom_call(call.id, call.name, ''.join(call.arguments))}}}"
    arguments = quoted("".join(call.arguments) or "{}")
    function = f'{{"name":{quoted(call.name)},"arguments":{arguments}}}'
    return f'{{"id":{quoted(call.id)},"type":"function","function":{function}{_extra(call.extra_content)}}}'


def _extra(content: Mapping[str, Any] | None) -> str:
    return "" if content is None else f',"extra_content":{json.dumps(dict(content))}'


def usage_document(usage: Usage) -> str:
    """Tokens, with the details that are known; null where the tokens themselves are not."""
    if usage.input_tokens is None or usage.output_tokens is None:
        return "null"
    sent, got = usage.input_tokens, usage.output_tokens
    prompt = {"cached_tokens": usage.cached_input_tokens, "cache_write_tokens": usage.cache_write_tokens}
    details = _details("prompt", prompt) + _details("completion", {"reasoning_tokens": usage.reasoning_tokens})
    return f'{{"prompt_tokens":{sent},"completion_tokens":{got},"total_tokens":{sent + got}{details}}}'


def _details(kind: str, counts: Mapping[str, int | None]) -> str:
    known = ",".join(f'"{name}":{count}' for name, count in counts.items() if count is not None)
    return f',"{kind}_tokens_details":{{{known}}}' if known else ""
