"""`POST /api/chat`: the body as inputs, the answer as one document or in lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theoryctl_providers.contract import Result
from theoryctl_providers.wires.body import check_keys, stated
from theoryctl_providers.wires.exchange import Chunks, Head, HeadedExchange
from theoryctl_providers.wires.ollama.answer import Lines, whole_answer
from theoryctl_providers.wires.ollama.conversation import Conversation
from theoryctl_providers.wires.ollama.durations import check_keep_alive
from theoryctl_providers.wires.ollama.loads import loaded
from theoryctl_providers.wires.ollama.params import PARAMS, SHARED, is_streamed, shared_inputs

_KNOWN = frozenset((*SHARED, "messages", "tools"))


class Chat(HeadedExchange):
    """One exchange."""

    kind = b"application/x-ndjson"

    def __init__(self, body: Mapping[str, Any]) -> None:
        check_keys(body, _KNOWN)
        check_keep_alive(body)
        self.told = loaded(body, "messages", ([],), _placed)
        conversation = Conversation(body.get("messages"))
        asked = stated({"messages": conversation.messages, "tools": body.get("tools") or None})
        self.model, self.streamed = body.get("model"), is_streamed(body)
        self.inputs = {**shared_inputs(body), **asked}
        self._origins = conversation.origins

    @property
    def params(self) -> Mapping[str, str]:
        """Paths in the inputs, and what they are called in the request."""
        return {**PARAMS, **self._origins}

    def whole(self, result: Result) -> bytes:
        """Write the answer as one document."""
        return whole_answer(self.head, self.answer_of(result), _placed)

    def chunked(self, head: Head) -> Chunks:
        """Make what writes the answer in pieces."""
        return Lines(head, _placed)


def _placed(words: Mapping[str, Any]) -> dict[str, Any]:
    beside = {"logprobs": words["logprobs"]} if "logprobs" in words else {}
    message = {name: value for name, value in words.items() if name != "logprobs"}
    return {"message": {"role": "assistant", **message}, **beside}
