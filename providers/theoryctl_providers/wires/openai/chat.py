"""`POST /v1/chat/completions`: the body as inputs, the answer as a `chat.completion` or as its chunks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theoryctl_providers.contract import Result
from theoryctl_providers.contract.answer import Choice
from theoryctl_providers.inputs.unsupported import refuse_uncarried
from theoryctl_providers.wires.body import check_keys, is_streamed, wrong
from theoryctl_providers.wires.exchange import Chunks, Head, HeadedExchange
from theoryctl_providers.wires.openai.chat_chunks import ChatChunks
from theoryctl_providers.wires.openai.chat_message import choice_document, opening, usage_document
from theoryctl_providers.wires.openai.custom_calls import in_functions
from theoryctl_providers.wires.openai.tools import Toolbox

#: Parameters about the way the answer is delivered, which are read here.
_DELIVERY = ("stream", "stream_options")


class ChatCompletion(HeadedExchange):
    """One exchange."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self.model = body.get("model")
        refuse_uncarried(body, logprobs=True)
        deprecated = bool(body.get("functions")) and not body.get("tools")
        self._tools = Toolbox(body.get("tools"), nested=True, deprecated=deprecated)
        choice = self._tools.choice(body.get("tool_choice"))
        told = {"tools": self._tools.functions, "tool_choice": choice, "messages": in_functions(body.get("messages"))}
        # Only what the body has: a parameter that is absent is another thing than one that is null.
        self.inputs = {name: told.get(name, value) for name, value in body.items() if name not in _DELIVERY}
        self.streamed = is_streamed(body)
        self._with_usage = wants_usage(body)

    @property
    def params(self) -> Mapping[str, str]:
        """Paths in the inputs, and what they are called in the request."""
        return self._tools.origins

    def whole(self, result: Result) -> bytes:
        """Write the answer as one document."""
        answer = self.answer_of(result)
        said = answer.choices or {0: Choice()}
        choices = ",".join(
            choice_document(index, said[index], answer.outputs_of(index), self._tools) for index in sorted(said)
        )
        start = opening(self.head, "chat.completion", answer.vendor)
        return f'{start}"choices":[{choices}],"usage":{usage_document(answer.usage)}}}'.encode()

    def chunked(self, head: Head) -> Chunks:
        """Make what writes the answer in pieces."""
        return ChatChunks(head, self._with_usage, self._tools)


def wants_usage(body: Mapping[str, Any]) -> bool:
    """Return whether the last chunk of a stream has its usage. Raises ProviderError `ERR_INPUTS` for a wrong option."""
    options = body.get("stream_options")
    if options is None:
        return False
    if not isinstance(options, dict) or not isinstance(options.get("include_usage", False), bool):
        raise wrong("stream_options", "expected an object whose include_usage is a boolean")
    check_keys(options, ("include_usage", "include_obfuscation"), "stream_options")
    return bool(options.get("include_usage"))
