"""`POST /v1/responses` and `/v1/responses/input_tokens`: the common subset of the Responses API."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from theoryctl_providers.contract import Operation, Result, dumps
from theoryctl_providers.inputs.unsupported import refuse_uncarried
from theoryctl_providers.wires.body import is_streamed, object_in, unsupported, wrong
from theoryctl_providers.wires.exchange import Chunks, Exchange, Head, HeadedExchange
from theoryctl_providers.wires.openai.responses.document import Response
from theoryctl_providers.wires.openai.responses.events import ResponseEvents
from theoryctl_providers.wires.openai.responses.input_items import (
    Conversation,
    response_format_of,
)
from theoryctl_providers.wires.openai.responses.memory import Given, Memory, given_of
from theoryctl_providers.wires.openai.tools import Toolbox

#: Parameters that say the same as one of chat completions, by another name or in another shape.
_TRANSLATED = ("input", "instructions", "max_output_tokens", "text", "reasoning", "tools", "tool_choice")
#: Parameters about how an answer is delivered or cut, about the client, and about the tools that OpenAI runs, of which
#: there are none here. `client_metadata` is no parameter in OpenAI's reference; the Codex CLI sends it.
_IGNORED = (
    "stream",
    "stream_options",
    "include",
    "truncation",
    "background",
    "client_metadata",
    "max_tool_calls",
    "previous_response_id",
)
#: What would need a conversation or a prompt of the account.
_STATEFUL = ("conversation", "prompt")
#: What would be taken for inputs, and is no parameter of this API.
_CHAT_ONLY = ("messages", "n", "stop", "response_format", "max_completion_tokens", "max_tokens")

#: Keys of `text` and `reasoning`. Of the latter, effort alone has a counterpart; a mode decides who answers.
_TEXT = ("format", "verbosity")
_REASONING = ("effort", "summary", "generate_summary", "context", "mode")

#: How the parameters of chat completions that an error may name are called here; more of each depends on the request.
_PARAMS = {
    "messages": "input",
    "tool_choice.function": "tool_choice",
    "response_format.json_schema": "text.format",
    "max_completion_tokens": "max_output_tokens",
    "response_format": "text.format",
    "verbosity": "text.verbosity",
    "reasoning_effort": "reasoning.effort",
}

#: What counted tokens are called (openai 3.57, types/responses/input_token_count_response.py).
_COUNTED = "response.input_tokens"

#: What an answer says of a request that does not mention it.
_ECHOED: dict[str, Any] = {
    "previous_response_id": None,
    "store": True,
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "reasoning": {"effort": None, "summary": None},
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


class ResponsesCall(HeadedExchange):
    """One exchange."""

    def __init__(self, body: Mapping[str, Any], memory: Memory | None = None) -> None:
        self.model = body.get("model")
        refuse_uncarried(body, logprobs=True)
        self._memory = memory or Memory()
        self._given = given_of(body, self._memory)
        conversation = Conversation(self._given.input, body.get("instructions"), self._given.earlier)
        self._tools = Toolbox(body.get("tools"))
        self.inputs = {**_inputs(body, self._tools), "messages": conversation.messages}
        told = {"logprobs": _logprobs_origin(body) or "logprobs"}
        self._origins = {**self._tools.origins, **conversation.origins, **told}
        self._echo = _echo(body)
        self.streamed = is_streamed(body)

    @property
    def params(self) -> Mapping[str, str]:
        """Paths in the inputs, and what they are called in the request."""
        return {**_PARAMS, **self._origins}

    def whole(self, result: Result) -> bytes:
        """Write the answer as one document."""
        response = self._response(self.head)
        response.fill(self.answer_of(result))
        return response.ended().encode()

    def chunked(self, head: Head) -> Chunks:
        """Make what writes the answer in pieces."""
        return ResponseEvents(self._response(head))

    def _response(self, head: Head) -> Response:
        keep = partial(_keep, self._memory, self._given, head.key) if self._echo["store"] else _forget
        return Response(head, self._echo, self._tools, keep)


class InputTokens(Exchange):
    """One exchange that counts the tokens of what a response would be asked."""

    operation: Operation = "count_tokens"

    def __init__(self, body: Mapping[str, Any], memory: Memory) -> None:
        # A personality changes OpenAI's own prompt, which nobody has here.
        self._call = ResponsesCall({name: value for name, value in body.items() if name != "personality"}, memory)
        self.inputs = self._call.inputs

    @property
    def params(self) -> Mapping[str, str]:
        """Paths in the inputs, and what they are called in the request."""
        return self._call.params

    def whole(self, result: Result) -> bytes:
        """Write the number."""
        return dumps({"input_tokens": result.envelope["usage"]["input_tokens"], "object": _COUNTED}).encode()


def _keep(memory: Memory, given: Given, key: str, document: str) -> None:
    memory.keep(f"resp_{key}", document, given.items(key))


def _forget(_document: str) -> None:
    """Leave a response that is not to be stored."""


def _inputs(body: Mapping[str, Any], tools: Toolbox) -> dict[str, Any]:
    """The body in the vocabulary of chat completions. Raises ProviderError for what has no counterpart there."""
    given = {name: value for name, value in body.items() if value is not None}
    for name in _STATEFUL:
        if name in given:
            raise unsupported(name, "there is no account that keeps it; send previous_response_id or the whole input")
    for name in _CHAT_ONLY:
        if name in given:
            raise unsupported(name, "it belongs to chat completions")
    if given.get("background"):
        raise unsupported("background", "an answer comes at once or not at all")
    inputs = {name: value for name, value in given.items() if name not in (*_TRANSLATED, *_IGNORED)}
    text, reasoning = object_in(given, "text", _TEXT), object_in(given, "reasoning", _REASONING)
    if reasoning.get("mode") not in (None, "standard"):
        raise unsupported("reasoning.mode", "chat completions have no such mode")
    object_in(given, "stream_options", ("include_obfuscation",))
    more = {
        "max_completion_tokens": given.get("max_output_tokens"),
        # The choice comes first: it may leave but some of the tools.
        "tool_choice": tools.choice(given.get("tool_choice")),
        "tools": tools.functions,
        "response_format": response_format_of(text.get("format")),
        "verbosity": text.get("verbosity"),
        "reasoning_effort": reasoning.get("effort"),
        "logprobs": _logprobs_origin(given) and True,
    }
    return {**inputs, **{name: value for name, value in more.items() if value is not None}}


def _echo(body: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that an answer repeats. Raises ProviderError `ERR_INPUTS` for some that are wrong."""
    object_in(body, "client_metadata")
    told = {name: default if body.get(name) is None else body[name] for name, default in _ECHOED.items()}
    most = body.get("max_tool_calls")
    if most is None:
        return told
    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        raise wrong("max_tool_calls", "expected an integer of at least 1")
    return {**told, "max_tool_calls": most}


def _logprobs_origin(body: Mapping[str, Any]) -> str | None:
    """The parameter that asks for log probabilities; None where none does."""
    include = body.get("include")
    for index, entry in enumerate(include if isinstance(include, list) else ()):
        if isinstance(entry, str) and entry.endswith(".logprobs"):
            return f"include[{index}]"
    return "top_logprobs" if body.get("top_logprobs") else None
