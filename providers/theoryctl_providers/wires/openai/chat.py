"""`POST /v1/chat/completions`: the body as inputs, the answer as a `chat.completion` or as its chunks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from theoryctl_providers.contract import Delta, Event, Finish, Result, ToolCallDelta, Usage
from theoryctl_providers.contract.answer import Choice, ToolCall
from theoryctl_providers.inputs.unsupported import refuse_uncarried
from theoryctl_providers.wires.exchange import Chunks, Head
from theoryctl_providers.wires.failure import Failure
from theoryctl_providers.wires.openai.errors import error_object
from theoryctl_providers.wires.openai.params import OpenAIExchange, choice_of, is_streamed, wrong

#: Parameters about the way the answer is delivered, which are read here.
_DELIVERY = ("stream", "stream_options")

END = b"data: [DONE]\n\n"


class ChatCompletion(OpenAIExchange):
    """One exchange. The JSON is put together by hand: what varies in it is a few texts, already whole."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self.model = body.get("model")
        refuse_uncarried(body)
        choice_of(body.get("tool_choice"))
        self.inputs = {name: value for name, value in body.items() if name not in _DELIVERY}
        self.streamed = is_streamed(body)
        self._with_usage = _wants_usage(body)

    def whole(self, result: Result) -> bytes:
        """Write the answer as one document."""
        answer = self.answer_of(result)
        said = answer.choices or {0: Choice()}
        choices = ",".join(_choice(index, said[index]) for index in sorted(said))
        return f'{_start(self.head, "chat.completion")}"choices":[{choices}],"usage":{_usage(answer.usage)}}}'.encode()

    def chunked(self, head: Head) -> Chunks:
        """Make what writes the answer in pieces."""
        return ChatChunks(head, self._with_usage)


class ChatChunks(Chunks):
    """An answer as `chat.completion.chunk` events, one for each piece as it comes."""

    def __init__(self, head: Head, with_usage: bool) -> None:
        self._start = f"data: {_start(head, 'chat.completion.chunk')}"
        self._with_usage = with_usage
        # Where usage is wanted, every chunk has it, and all but the last have none in it.
        self._end = ',"usage":null}\n\n' if with_usage else "}\n\n"
        self._begun: set[int] = set()
        self._open: set[int] = set()
        self._usage = Usage()

    def piece(self, event: Event) -> bytes:
        """The chunks that an event becomes; none for most."""
        if isinstance(event, Delta):
            return self._delta(event).encode()
        if isinstance(event, Finish):
            opening = self._opening(event.choice, True)
            self._open.discard(event.choice)
            return (opening + self._chunk(event.choice, "{}", quoted(event.reason))).encode()
        if isinstance(event, Usage):
            self._usage = event
        return b""

    def end(self) -> bytes:
        """The chunks after the last event."""
        left = self._open or ({0} if not self._begun else set())
        closing = b"".join(self.piece(Finish(index)) for index in sorted(left))
        usage = f'{self._start}"choices":[],"usage":{_usage(self._usage)}}}\n\n' if self._with_usage else ""
        return closing + usage.encode() + END

    def failed(self, failure: Failure) -> bytes:
        """A failure in the middle: OpenAI's clients raise it."""
        return f'data: {{"error":{json.dumps(error_object(failure))}}}\n\n'.encode()

    def _delta(self, event: Delta) -> str:
        if event.tool_call is not None:
            opening = self._opening(event.choice, False)
            return opening + self._chunk(event.choice, f'{{"tool_calls":[{_call_delta(event.tool_call)}]}}')
        if not event.text:
            return ""
        return self._opening(event.choice, True) + self._chunk(event.choice, f'{{"content":{quoted(event.text)}}}')

    def _opening(self, choice: int, is_text: bool) -> str:
        """The chunk that names the role, before the first of a choice."""
        if choice in self._begun:
            return ""
        self._begun.add(choice)
        self._open.add(choice)
        content = '""' if is_text else "null"
        return self._chunk(choice, f'{{"role":"assistant","content":{content},"refusal":null}}')

    def _chunk(self, choice: int, delta: str, finish: str = "null") -> str:
        return (
            f'{self._start}"choices":[{{"index":{choice},"delta":{delta},"logprobs":null,'
            f'"finish_reason":{finish}}}]{self._end}'
        )


def _start(head: Head, kind: str) -> str:
    return f'{{"id":"chatcmpl-{head.key}","object":"{kind}","created":{head.created},"model":{quoted(head.model)},'


def _wants_usage(body: Mapping[str, Any]) -> bool:
    options = body.get("stream_options")
    if options is None:
        return False
    if not isinstance(options, dict) or not isinstance(options.get("include_usage", False), bool):
        raise wrong("stream_options", "expected an object whose include_usage is a boolean")
    return bool(options.get("include_usage"))


def _choice(index: int, choice: Choice) -> str:
    calls = ",".join(_call(choice.calls[at]) for at in sorted(choice.calls))
    content = "null" if calls and not choice.pieces else quoted(choice.text)
    tools = f',"tool_calls":[{calls}]' if calls else ""
    return (
        f'{{"index":{index},"message":{{"role":"assistant","content":{content},"refusal":null{tools}}},'
        f'"logprobs":null,"finish_reason":{quoted(choice.finish)}}}'
    )


def _call(call: ToolCall) -> str:
    arguments = quoted("".join(call.arguments) or "{}")
    function = f'{{"name":{quoted(call.name)},"arguments":{arguments}}}'
    return f'{{"id":{quoted(call.id)},"type":"function","function":{function}}}'


def _call_delta(call: ToolCallDelta) -> str:
    arguments = quoted(call.arguments)
    if call.id is None and call.name is None:
        return f'{{"index":{call.index},"function":{{"arguments":{arguments}}}}}'
    function = f'{{"name":{quoted(call.name or "")},"arguments":{arguments}}}'
    return f'{{"index":{call.index},"id":{quoted(call.id or "")},"type":"function","function":{function}}}'


def _usage(usage: Usage) -> str:
    if usage.input_tokens is None or usage.output_tokens is None:
        return "null"
    sent, got = usage.input_tokens, usage.output_tokens
    return f'{{"prompt_tokens":{sent},"completion_tokens":{got},"total_tokens":{sent + got}}}'
