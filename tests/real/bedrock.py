"""Amazon Bedrock's dialect, whose streams are AWS's binary ones."""

from __future__ import annotations

import json
import struct
from binascii import crc32
from collections.abc import Iterator
from typing import Any, ClassVar

from tests.real.said import RECEIVED, SENT, Said


class Bedrock:
    """Converse and ConverseStream (docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html)."""

    key = ("authorization",)

    _USAGE: ClassVar = {"inputTokens": SENT, "outputTokens": RECEIVED, "totalTokens": SENT + RECEIVED}

    def whole(self, said: Said) -> dict[str, Any]:
        message = {"role": "assistant", "content": self._blocks(said)}
        metrics = {"latencyMs": 1}
        return {
            "output": {"message": message},
            "stopReason": self._reason(said),
            "usage": self._USAGE,
            "metrics": metrics,
        }

    def streamed(self, said: Said) -> Iterator[bytes]:
        yield self._frame("messageStart", role="assistant")
        for at, block in enumerate(self._blocks(said)):
            deltas: list[dict[str, Any]]
            if "text" in block:
                deltas = [{"text": piece} for piece in said.text]
            elif "toolUse" in block:
                start = {name: block["toolUse"][name] for name in ("toolUseId", "name")}
                yield self._frame("contentBlockStart", start={"toolUse": start}, contentBlockIndex=at)
                deltas = [{"toolUse": {"input": json.dumps(block["toolUse"]["input"])}}]
            else:
                deltas = [{"reasoningContent": {"text": said.reasoning}}]
            for delta in deltas:
                yield self._frame("contentBlockDelta", delta=delta, contentBlockIndex=at)
            yield self._frame("contentBlockStop", contentBlockIndex=at)
        yield self._frame("messageStop", stopReason=self._reason(said))
        yield self._frame("metadata", usage=self._USAGE, metrics={"latencyMs": 1})

    def error(self, message: str) -> dict[str, Any]:
        return {"message": message}

    def failure(self, kind: str, message: str) -> bytes:
        """A failure inside of a stream, such as `throttlingException`."""
        return self._message({":exception-type": kind, ":message-type": "exception"}, {"message": message})

    def _blocks(self, said: Said) -> list[dict[str, Any]]:
        thought = {"reasoningText": {"text": said.reasoning, "signature": "signed"}}
        calls = [
            {"toolUse": {"toolUseId": f"tool_{at}", "name": name, "input": dict(arguments)}}
            for at, (name, arguments) in enumerate(said.calls)
        ]
        text = [{"text": "".join(said.text)}] if said.text else []
        return [*([{"reasoningContent": thought}] if said.reasoning else []), *text, *calls]

    def _reason(self, said: Said) -> str:
        return "tool_use" if said.calls else "end_turn"

    def _frame(self, kind: str, **payload: Any) -> bytes:
        return self._message({":event-type": kind, ":message-type": "event"}, payload)

    def _message(self, told: dict[str, str], payload: dict[str, Any]) -> bytes:
        """A message of AWS's event stream (smithy.io/2.0/aws/amazon-eventstream.html)."""
        told = {**told, ":content-type": "application/json"}
        head = b"".join(
            struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
            for name, value in told.items()
        )
        body = json.dumps(payload).encode()
        prelude = struct.pack("!II", len(head) + len(body) + 16, len(head))
        message = prelude + struct.pack("!I", crc32(prelude)) + head + body
        return message + struct.pack("!I", crc32(message))
