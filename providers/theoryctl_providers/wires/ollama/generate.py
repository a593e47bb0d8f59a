"""`POST /api/generate`: a prompt as the only message, the answer as one document or in lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theoryctl_providers.contract import Result
from theoryctl_providers.wires.body import check_keys, unsupported, wrong
from theoryctl_providers.wires.exchange import Chunks, Head, HeadedExchange
from theoryctl_providers.wires.ollama.answer import Lines, whole_answer
from theoryctl_providers.wires.ollama.conversation import content_of
from theoryctl_providers.wires.ollama.durations import check_keep_alive
from theoryctl_providers.wires.ollama.loads import loaded
from theoryctl_providers.wires.ollama.params import PARAMS, SHARED, is_streamed, shared_inputs

#: Parameters about the text that Ollama makes of a prompt: here a model gets messages.
_RAW = ("suffix", "template", "context", "raw")

_KNOWN = frozenset((*SHARED, *_RAW, "prompt", "system", "images"))


class Generate(HeadedExchange):
    """One exchange."""

    kind = b"application/x-ndjson"

    def __init__(self, body: Mapping[str, Any]) -> None:
        check_keys(body, _KNOWN)
        check_keep_alive(body)
        for name in _RAW:
            if body.get(name):
                raise unsupported(name, "a model gets messages here, not one text")
        self.told = loaded(body, "prompt", ("",), _placed)
        self.model, self.streamed = body.get("model"), is_streamed(body)
        system, self._has_system = body.get("system"), bool(body.get("system"))
        prompt = content_of(_prompt_of(body), body.get("images"), "")
        said = [{"role": "system", "content": system}] if self._has_system else []
        self.inputs = {**shared_inputs(body), "messages": [*said, {"role": "user", "content": prompt}]}

    @property
    def params(self) -> Mapping[str, str]:
        """Paths in the inputs, and what they are called in the request."""
        user = f"messages[{int(self._has_system)}]"
        system = {"messages[0]": "system", "messages[0].content": "system"} if self._has_system else {}
        return {**PARAMS, **system, user: "prompt", f"{user}.content": "prompt"}

    def whole(self, result: Result) -> bytes:
        """Write the answer as one document."""
        return whole_answer(self.head, self.answer_of(result), _placed)

    def chunked(self, head: Head) -> Chunks:
        """Make what writes the answer in pieces."""
        return Lines(head, _placed)


def _prompt_of(body: Mapping[str, Any]) -> str:
    prompt = body.get("prompt")
    if not isinstance(prompt, str | None):
        raise wrong("prompt", "expected string")
    return prompt or ""


def _placed(words: Mapping[str, Any]) -> dict[str, Any]:
    return {"response": words["content"], **{name: value for name, value in words.items() if name != "content"}}
