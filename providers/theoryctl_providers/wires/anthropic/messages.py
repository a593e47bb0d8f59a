"""`POST /v1/messages` and `/v1/messages/count_tokens`: the body as inputs, the answer as a message or its events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theoryctl_providers.contract import Operation, Request, Result, Started, Usage, dumps
from theoryctl_providers.wires.anthropic.conversation import Conversation
from theoryctl_providers.wires.anthropic.errors import NoThread
from theoryctl_providers.wires.anthropic.events import MessageEvents
from theoryctl_providers.wires.anthropic.message import message_document
from theoryctl_providers.wires.anthropic.tools import inputs_of_choice, tools_of
from theoryctl_providers.wires.body import check_keys, is_streamed, object_in, schema_format, stated, wrong
from theoryctl_providers.wires.exchange import Chunks, Exchange, Head, HeadedExchange

#: Parameters with the same name, shape and meaning in chat completions.
_SAME = ("model", "max_tokens", "temperature", "top_p", "top_k", "thinking")
#: Parameters that say the same as one of chat completions, by another name or in another shape.
_TRANSLATED = ("messages", "system", "tools", "tool_choice", "stop_sequences", "metadata", "output_config", "stream")
#: Parameters that Anthropic alone knows. They go to the vendor in `extra_body`.
_OWN = ("cache_control", "container", "context_management", "diagnostics", "inference_geo", "service_tier", "speed")

_KNOWN = frozenset((*_SAME, *_TRANSLATED, *_OWN, "output_format", "thread", "extra_body"))

#: Keys of the objects among them, whose misspelt ones would change nothing (anthropic 2.14, types/beta/*_param.py).
_THINKING = ("type", "budget_tokens", "display", "block_binding")
_CONFIGURED = ("effort", "format", "task_budget")
_FORMAT = ("type", "schema")

#: How the parameters of chat completions that an error may name are called here; more of each depends on the request.
_PARAMS = {"stop": "stop_sequences", "response_format": "output_config.format", "parallel_tool_calls": "tool_choice"}


class Asked:
    """The inputs that a body stands for, and what an error calls them.

    Raises ProviderError: `ERR_INPUTS` for what is no such body, `ERR_UNSUPPORTED_PARAM` for what has no counterpart.
    """

    def __init__(self, body: Mapping[str, Any]) -> None:
        check_keys(body, _KNOWN)
        given = stated(body)
        if "thread" in given:
            raise NoThread
        object_in(given, "thinking", _THINKING)
        conversation = Conversation(given.get("system"), given.get("messages"))
        tools = tools_of(given.get("tools"))
        self.inputs: dict[str, Any] = {name: given[name] for name in _SAME if name in given}
        self.inputs |= stated(
            {
                "messages": conversation.messages,
                "tools": tools,
                "stop": None if given.get("stop_sequences") == [] else given.get("stop_sequences"),
                "metadata": object_in(given, "metadata") or None,
                "response_format": _format_of(given),
                "extra_body": _extra_of(given) or None,
                **inputs_of_choice(given.get("tool_choice")),
            }
        )
        self.params = {**_PARAMS, **_tool_paths(tools), **conversation.origins}


class Messages(HeadedExchange):
    """One exchange."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self.model, self._asked = body.get("model"), Asked(body)
        if body.get("max_tokens") is None:
            raise wrong("max_tokens", "'max_tokens' is missing")
        self.inputs, self.streamed = self._asked.inputs, is_streamed(body)
        self.early_usage, self._known = self.streamed, Usage()

    @property
    def params(self) -> Mapping[str, str]:
        """Paths in the inputs, and what they are called in the request."""
        return self._asked.params

    def begin(self, call: Request, started: Started) -> None:
        """Give the answer its id, and a stream the tokens of the prompt where they are known: they come first there."""
        self._known = started.usage or Usage()
        super().begin(call, started)

    def whole(self, result: Result) -> bytes:
        """Write the answer as one document."""
        return dumps(message_document(self.head, self.answer_of(result))).encode()

    def chunked(self, head: Head) -> Chunks:
        """Make what writes the answer in pieces."""
        return MessageEvents(head, self._known)


class TokenCount(Exchange):
    """One exchange that counts the tokens of a prompt."""

    operation: Operation = "count_tokens"

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._asked = Asked(body)
        self.inputs = self._asked.inputs

    @property
    def params(self) -> Mapping[str, str]:
        """Paths in the inputs, and what they are called in the request."""
        return self._asked.params

    def whole(self, result: Result) -> bytes:
        """Write the number."""
        return dumps({"input_tokens": result.envelope["usage"]["input_tokens"]}).encode()


def _format_of(given: Mapping[str, Any]) -> dict[str, Any] | None:
    """The schema of the answer as a `response_format`; `output_format` is its older place."""
    wanted = object_in(object_in(given, "output_config", _CONFIGURED), "format") or object_in(given, "output_format")
    if not wanted:
        return None
    if wanted.get("type") != "json_schema":
        raise wrong("output_config.format.type", "expected json_schema")
    check_keys(wanted, _FORMAT, "output_config.format")
    return schema_format(wanted.get("schema"))


def _extra_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters that the vendor alone understands. What is standard is left out: clients send it unasked."""
    own = {name: given[name] for name in _OWN if name in given and (name, given[name]) != ("service_tier", "auto")}
    config = {name: value for name, value in object_in(given, "output_config").items() if name != "format"}
    return own | ({"output_config": config} if config else {}) | object_in(given, "extra_body")


def _tool_paths(tools: Any) -> dict[str, str]:
    paths = {}
    for index in range(len(tools) if isinstance(tools, list) else 0):
        paths[f"tools[{index}].function"] = f"tools[{index}]"
        paths[f"tools[{index}].function.parameters"] = f"tools[{index}].input_schema"
    return paths
