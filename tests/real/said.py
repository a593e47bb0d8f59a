"""One answer in the words of each vendor: whole, streamed, and as an error.

A dialect renders a `Said`; the documents are shortened from the vendors' references, which each class names. None of
them imitates what its vendor checks of a request.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol


@dataclass(frozen=True, kw_only=True)
class Said:
    """An answer: pieces of text, and what else is in it. `calls` are names of tools with their arguments, `stop` is the
    stop sequence that ended it, which Anthropic alone tells."""

    text: Sequence[str] = ()
    reasoning: str | None = None
    refusal: str | None = None
    calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
    stop: str | None = None


#: Tokens that every answer says were sent and received.
SENT, RECEIVED = 19, 7


class Dialect(Protocol):
    """A vendor's way to say it. `key` are the headers in which it looks for a key."""

    @property
    def key(self) -> Sequence[str]: ...

    def whole(self, said: Said) -> dict[str, Any]:
        """The answer as one document."""
        ...

    def streamed(self, said: Said) -> Iterator[bytes]:
        """The answer as it comes."""
        ...

    def error(self, message: str) -> dict[str, Any]:
        """The document that goes with status 401."""
        ...


def _event(document: Any, name: str | None = None) -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(document)}\n\n".encode()


@dataclass(frozen=True)
class OpenAI:
    """Chat completions (platform.openai.com/docs/api-reference/chat), which most vendors speak.

    `reasoning` is the field of the vendor for it; `in_parts` says that it is a part of the content (Mistral's).
    """

    reasoning: str = "reasoning_content"
    key: Sequence[str] = ("authorization",)
    in_parts: bool = False

    _USAGE: ClassVar = {"prompt_tokens": SENT, "completion_tokens": RECEIVED, "total_tokens": SENT + RECEIVED}

    def whole(self, said: Said) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": "".join(said.text) or None, **self._thought(said)}
        if said.refusal:
            message["refusal"] = said.refusal
        if said.calls:
            message["tool_calls"] = self._calls(said)
        reason = "tool_calls" if said.calls else "stop"
        choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
        return self._document("chat.completion", choices=[choice], usage=self._USAGE)

    def streamed(self, said: Said) -> Iterator[bytes]:
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [self._thought(Said(reasoning=said.reasoning))] if said.reasoning else []
        deltas += [{"content": piece} for piece in said.text]
        deltas += [{"refusal": said.refusal}] if said.refusal else []
        deltas += [{"tool_calls": [{"index": at, **call}]} for at, call in enumerate(self._calls(said))]
        for delta in deltas:
            yield self._chunk([{"index": 0, "delta": delta, "finish_reason": None}])
        yield self._chunk([{"index": 0, "delta": {}, "finish_reason": "tool_calls" if said.calls else "stop"}])
        yield self._chunk([], usage=self._USAGE)
        yield b"data: [DONE]\n\n"

    def error(self, message: str) -> dict[str, Any]:
        return {"error": {"message": message, "type": "invalid_request_error", "code": "invalid_api_key"}}

    def _thought(self, said: Said) -> dict[str, Any]:
        if said.reasoning is None:
            return {}
        if self.in_parts:  # docs.mistral.ai/capabilities/reasoning
            thought = {"type": "thinking", "thinking": [{"type": "text", "text": said.reasoning}]}
            return {"content": [thought, *({"type": "text", "text": piece} for piece in said.text)]}
        return {self.reasoning: said.reasoning}

    def _calls(self, said: Said) -> list[dict[str, Any]]:
        functions = [{"name": name, "arguments": json.dumps(arguments)} for name, arguments in said.calls]
        return [{"id": f"call_{at}", "type": "function", "function": function} for at, function in enumerate(functions)]

    def _chunk(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        return _event(self._document("chat.completion.chunk", choices=choices, **more))

    def _document(self, kind: str, **fields: Any) -> dict[str, Any]:
        return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "a-model-of-today", **fields}


class Anthropic:
    """Messages (docs.anthropic.com/en/api/messages and /messages-streaming)."""

    key = ("x-api-key",)

    def whole(self, said: Said) -> dict[str, Any]:
        usage = {"input_tokens": SENT, "output_tokens": RECEIVED}
        return self._message(content=self._blocks(said), **self._ending(said), usage=usage)

    def streamed(self, said: Said) -> Iterator[bytes]:
        usage = {"input_tokens": SENT, "output_tokens": 1}
        start = self._message(content=[], stop_reason=None, stop_sequence=None, usage=usage)
        yield _event({"type": "message_start", "message": start}, "message_start")
        for at, block in enumerate(self._blocks(said)):
            for kind, fields in self._steps(block, said.text):
                yield _event({"type": f"content_block_{kind}", "index": at, **fields}, f"content_block_{kind}")
        end = {"delta": self._ending(said), "usage": {"output_tokens": RECEIVED}}
        yield _event({"type": "message_delta", **end}, "message_delta")
        yield _event({"type": "message_stop"}, "message_stop")

    def error(self, message: str) -> dict[str, Any]:
        return {"type": "error", "error": {"type": "authentication_error", "message": message}}

    def _steps(self, block: dict[str, Any], pieces: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        kind = block["type"]
        empty: dict[str, Any]
        if kind == "text":
            empty, deltas = {"text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces]
        elif kind == "thinking":
            empty = {"thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": block["thinking"]}]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        else:
            empty, deltas = {"input": {}}, [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
        yield "start", {"content_block": {**block, **empty}}
        yield from (("delta", {"delta": delta}) for delta in deltas)
        yield "stop", {}

    def _blocks(self, said: Said) -> list[dict[str, Any]]:
        thought = [{"type": "thinking", "thinking": said.reasoning, "signature": "signed"}] if said.reasoning else []
        text = [{"type": "text", "text": "".join(said.text)}] if said.text else []
        calls = [
            {"type": "tool_use", "id": f"toolu_{at}", "name": name, "input": dict(arguments)}
            for at, (name, arguments) in enumerate(said.calls)
        ]
        return [*thought, *text, *calls]

    def _ending(self, said: Said) -> dict[str, Any]:
        reason = (
            "refusal" if said.refusal else "tool_use" if said.calls else "stop_sequence" if said.stop else "end_turn"
        )
        return {"stop_reason": reason, "stop_sequence": said.stop}

    def _message(self, **fields: Any) -> dict[str, Any]:
        return {"id": "msg_1", "type": "message", "role": "assistant", "model": "a-model-of-today", **fields}


class Gemini:
    """generateContent and streamGenerateContent (ai.google.dev/api/generate-content)."""

    key = ("x-goog-api-key",)

    def whole(self, said: Said) -> dict[str, Any]:
        if said.refusal:
            return {"promptFeedback": {"blockReason": "SAFETY"}, **self._rest}
        return {"candidates": [self._candidate(self._parts(said), "STOP")], **self._rest}

    def streamed(self, said: Said) -> Iterator[bytes]:
        if said.refusal:
            yield _event(self.whole(said))
            return
        for part in self._parts(said):
            yield _event({"candidates": [self._candidate([part])], "modelVersion": "a-model-of-today"})
        yield _event({"candidates": [self._candidate([{"text": ""}], "STOP")], **self._rest})

    def error(self, message: str) -> dict[str, Any]:
        return {"error": {"code": 401, "message": message, "status": "UNAUTHENTICATED"}}

    _rest: ClassVar[Mapping[str, Any]] = {
        "usageMetadata": {
            "promptTokenCount": SENT,
            "candidatesTokenCount": RECEIVED,
            "totalTokenCount": SENT + RECEIVED,
        },
        "modelVersion": "a-model-of-today",
        "responseId": "response-1",
    }

    def _parts(self, said: Said) -> list[dict[str, Any]]:
        thought = [{"text": said.reasoning, "thought": True}] if said.reasoning else []
        calls = [{"functionCall": {"name": name, "args": dict(arguments)}} for name, arguments in said.calls]
        return [*thought, *({"text": piece} for piece in said.text), *calls]

    def _candidate(self, parts: list[dict[str, Any]], reason: str | None = None) -> dict[str, Any]:
        end = {"finishReason": reason} if reason else {}
        return {"content": {"role": "model", "parts": parts}, "index": 0, **end}


class VertexAI(Gemini):
    """The same by Google Cloud, with an access token in the place of a key."""

    key = ("authorization",)


class Ollama:
    """/api/chat (github.com/ollama/ollama, docs/api.md)."""

    key = ("authorization",)

    def whole(self, said: Said) -> dict[str, Any]:
        thought = {"thinking": said.reasoning} if said.reasoning else {}
        return self._line({"content": "".join(said.text), **thought, **self._calls(said)}, **self._END)

    def streamed(self, said: Said) -> Iterator[bytes]:
        messages: list[dict[str, Any]] = [{"content": "", "thinking": said.reasoning}] if said.reasoning else []
        messages += [{"content": piece} for piece in said.text]
        messages += [{"content": "", **self._calls(said)}] if said.calls else []
        for message in messages:
            yield json.dumps(self._line(message, done=False)).encode() + b"\n"
        yield json.dumps(self._line({"content": ""}, **self._END)).encode() + b"\n"

    def error(self, message: str) -> dict[str, Any]:
        return {"error": message}

    _END: ClassVar = {"done": True, "done_reason": "stop", "prompt_eval_count": SENT, "eval_count": RECEIVED}

    def _calls(self, said: Said) -> dict[str, Any]:
        calls = [{"function": {"name": name, "arguments": dict(arguments)}} for name, arguments in said.calls]
        return {"tool_calls": calls} if calls else {}

    def _line(self, message: dict[str, Any], **fields: Any) -> dict[str, Any]:
        return {"model": "a-model-of-today", "message": {"role": "assistant", **message}, **fields}


class Cohere:
    """Chat, version 2 (docs.cohere.com/v2/reference/chat and /chat-stream)."""

    key = ("authorization",)

    _USAGE: ClassVar = {"tokens": {"input_tokens": SENT, "output_tokens": RECEIVED}}

    def whole(self, said: Said) -> dict[str, Any]:
        thought = [{"type": "thinking", "thinking": said.reasoning}] if said.reasoning else []
        text = [{"type": "text", "text": "".join(said.text)}] if said.text else []
        message: dict[str, Any] = {"role": "assistant", "content": [*thought, *text]}
        if said.calls:
            message["tool_calls"] = list(map(self._call, range(len(said.calls)), said.calls))
        return {"id": "1", "message": message, "finish_reason": self._reason(said), "usage": self._USAGE}

    def streamed(self, said: Said) -> Iterator[bytes]:
        yield self._step("message-start", message={"role": "assistant", "content": [], "tool_calls": []})
        if said.reasoning:
            yield self._step("content-start", 0, message={"content": {"type": "thinking", "thinking": ""}})
            yield self._step("content-delta", 0, message={"content": {"thinking": said.reasoning}})
            yield self._step("content-end", 0)
        yield self._step("content-start", 0, message={"content": {"type": "text", "text": ""}})
        for piece in said.text:
            yield self._step("content-delta", 0, message={"content": {"text": piece}})
        yield self._step("content-end", 0)
        for at, call in enumerate(said.calls):
            whole = self._call(at, call)
            head = {**whole, "function": {"name": call[0], "arguments": ""}}
            yield self._step("tool-call-start", at, message={"tool_calls": head})
            arguments = {"function": {"arguments": whole["function"]["arguments"]}}
            yield self._step("tool-call-delta", at, message={"tool_calls": arguments})
            yield self._step("tool-call-end", at)
        yield self._step("message-end", finish_reason=self._reason(said), usage=self._USAGE)

    def error(self, message: str) -> dict[str, Any]:
        return {"message": message}

    def _call(self, at: int, call: tuple[str, Mapping[str, Any]]) -> dict[str, Any]:
        function = {"name": call[0], "arguments": json.dumps(call[1])}
        return {"id": f"call_{at}", "type": "function", "function": function}

    def _reason(self, said: Said) -> str:
        return "TOOL_CALL" if said.calls else "COMPLETE"

    def _step(self, kind: str, index: int | None = None, **delta: Any) -> bytes:
        at = {} if index is None else {"index": index}
        return _event({"type": kind, **at, "delta": delta}, kind)
