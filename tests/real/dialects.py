"""Two vendors' words on the wire: server-sent events and error bodies.

OpenAI: platform.openai.com/docs/api-reference/chat-streaming and /guides/error-codes.
Anthropic: docs.anthropic.com/en/api/messages-streaming and /errors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Dialect(Protocol):
    """A vendor's way of saying things. Every event is the bytes of one server-sent event."""

    def key(self, headers: Mapping[str, str]) -> str:
        """The API key that came with a request."""
        ...

    def opening(self) -> list[bytes]:
        """The events before the first piece of text."""
        ...

    def text(self, piece: str | None) -> bytes:
        """One piece of the answer."""
        ...

    def closing(self, reason: str | None = None) -> list[bytes]:
        """Finish reason (None: a normal stop), usage, end of stream."""
        ...

    def end(self) -> bytes:
        """The end of the stream alone."""
        ...

    def empty(self) -> list[bytes]:
        """A whole answer that holds nothing: no choice, no content block."""
        ...

    def error(self, status: int, key: str) -> dict[str, Any]:
        """The body that goes with a status; it quotes the key, as vendors were seen to do."""
        ...

    def error_event(self) -> bytes:
        """A failure that is told only once the stream has begun."""
        ...


class OpenAI:
    """Chat completions."""

    _CODES: Mapping[int, tuple[str, str]] = {
        400: ("invalid_request_error", "invalid_value"),
        401: ("invalid_request_error", "invalid_api_key"),
        402: ("insufficient_quota", "insufficient_quota"),
        403: ("invalid_request_error", "unsupported_country_region_territory"),
        404: ("invalid_request_error", "model_not_found"),
        429: ("requests", "rate_limit_exceeded"),
    }

    def key(self, headers: Mapping[str, str]) -> str:
        return headers.get("authorization", "").removeprefix("Bearer ")

    def opening(self) -> list[bytes]:
        return [self._choice({"role": "assistant", "content": ""})]

    def text(self, piece: str | None, choice: int = 0) -> bytes:
        return self._choice({"content": piece}, choice=choice)

    def tool_call(self, **call: Any) -> bytes:
        """One piece of a tool call: `index`, and at first `id`, `type` and `function`."""
        return self._choice({"tool_calls": [call]})

    def finish(self, reason: str = "stop", choice: int = 0) -> bytes:
        return self._choice({}, reason, choice)

    def closing(self, reason: str | None = None) -> list[bytes]:
        return [self.finish(reason or "stop"), *self.usage(), self.end()]

    def usage(self) -> list[bytes]:
        usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
        return [self._chunk(choices=[], usage=usage)]

    def end(self) -> bytes:
        return b"data: [DONE]\n\n"

    def empty(self) -> list[bytes]:
        return [*self.usage(), self.end()]

    def error(self, status: int, key: str) -> dict[str, Any]:
        kind, code = self._CODES.get(status, ("server_error", "server_error"))
        return {"error": {"message": f"{status}, said to {key}", "type": kind, "param": None, "code": code}}

    def error_event(self) -> bytes:
        return _data({"error": {"message": "The server had an error", "type": "server_error", "code": None}})

    def _choice(self, delta: dict[str, Any], reason: str | None = None, choice: int = 0) -> bytes:
        return self._chunk(choices=[{"index": choice, "delta": delta, "logprobs": None, "finish_reason": reason}])

    def _chunk(self, **fields: Any) -> bytes:
        head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini-2024-07-18"}
        return _data({**head, **fields})


class Anthropic:
    """Messages."""

    _KINDS: Mapping[int, str] = {
        400: "invalid_request_error",
        401: "authentication_error",
        402: "billing_error",
        403: "permission_error",
        404: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
        529: "overloaded_error",
    }

    def key(self, headers: Mapping[str, str]) -> str:
        return headers.get("x-api-key", "")

    def opening(self) -> list[bytes]:
        block = {"type": "text", "text": ""}
        return [self._start(), _named("content_block_start", index=0, content_block=block), _named("ping")]

    def text(self, piece: str | None) -> bytes:
        return _named("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})

    def closing(self, reason: str | None = None) -> list[bytes]:
        return [_named("content_block_stop", index=0), self._stop(reason or "end_turn"), self.end()]

    def end(self) -> bytes:
        return _named("message_stop")

    def empty(self) -> list[bytes]:
        return [self._start(), self._stop("end_turn"), self.end()]

    def error(self, status: int, key: str) -> dict[str, Any]:
        kind = self._KINDS.get(status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": f"{status}, said to {key}"}, "request_id": "req_1"}

    def error_event(self) -> bytes:
        return _named("error", error={"type": "overloaded_error", "message": "Overloaded"})

    def whole(self, text: str) -> dict[str, Any]:
        """The answer to a request without `stream`."""
        return self._message([{"type": "text", "text": text}], "end_turn", 3)

    def _message(self, content: list[Any], reason: str | None, tokens: int) -> dict[str, Any]:
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-3-5-haiku-20241022",
            "content": content,
            "stop_reason": reason,
            "stop_sequence": None,
            "usage": {"input_tokens": 9, "output_tokens": tokens},
        }

    def _start(self) -> bytes:
        return _named("message_start", message=self._message([], None, 1))

    def _stop(self, reason: str) -> bytes:
        delta = {"stop_reason": reason, "stop_sequence": None}
        return _named("message_delta", delta=delta, usage={"output_tokens": 3})


def whole_answer(dialect: Dialect, pieces: Sequence[str | None]) -> list[bytes]:
    """All events of an answer that goes well."""
    return [*dialect.opening(), *map(dialect.text, pieces), *dialect.closing()]


def _data(document: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(document)}\n\n".encode()


def _named(event: str, **fields: Any) -> bytes:
    return f"event: {event}\n".encode() + _data({"type": event, **fields})
