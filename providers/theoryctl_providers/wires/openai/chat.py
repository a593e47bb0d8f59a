"""`POST /v1/chat/completions`: the body as inputs, the answer as a `chat.completion` or as its chunks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theoryctl_providers.contract import Result
from theoryctl_providers.contract.answer import Choice
from theoryctl_providers.inputs.unsupported import refuse_uncarried
from theoryctl_providers.wires.body import is_streamed, wrong
from theoryctl_providers.wires.exchange import Chunks, Head, HeadedExchange
from theoryctl_providers.wires.openai.chat_chunks import ChatChunks
from theoryctl_providers.wires.openai.chat_message import choice_document, opening, usage_document
from theoryctl_providers.wires.openai.params import choice_of

#: Parameters about the way the answer is delivered, which are read here.
_DELIVERY = ("stream", "stream_options")


class ChatCompletion(HeadedExchange):
    """One exchange."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self.model = body.get("model")
        refuse_uncarried(body, logprobs=True)
        choice_of(body.get("tool_choice"))
        self.inputs = {name: value for name, value in body.items() if name not in _DELIVERY}
        self.streamed = is_streamed(body)
        self._with_usage = _wants_usage(body)

    def whole(self, result: Result) -> bytes:
        """Write the answer as one document."""
        answer = self.answer_of(result)
        said = answer.choices or {0: Choice()}
        choices = ",".join(choice_document(index, said[index], answer.outputs_of(index)) for index in sorted(said))
        start = opening(self.head, "chat.completion", answer.vendor)
        return f'{start}"choices":[{choices}],"usage":{usage_document(answer.usage)}}}'.encode()

    def chunked(self, head: Head) -> Chunks:
        """Make what writes the answer in pieces."""
        return ChatChunks(head, self._with_usage)


def _wants_usage(body: Mapping[str, Any]) -> bool:
    options = body.get("stream_options")
    if options is None:
        return False
    if not isinstance(options, dict) or not isinstance(options.get("include_usage", False), bool):
        raise wrong("stream_options", "expected an object whose include_usage is a boolean")
    return bool(options.get("include_usage"))
