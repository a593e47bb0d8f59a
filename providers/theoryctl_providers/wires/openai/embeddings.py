"""`POST /v1/embeddings`: one or several texts in, a vector for each out, as numbers or as base64 of float32."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from theoryctl_providers.contract import Operation, Result, dumps
from theoryctl_providers.wires.exchange import HeadedExchange, vectors_of


class Embeddings(HeadedExchange):
    """One exchange; never streamed."""

    operation: Operation = "embeddings"

    def __init__(self, body: Mapping[str, Any]) -> None:
        self.model, self.inputs = body.get("model"), body
        self._in_base64 = body.get("encoding_format") == "base64"

    def whole(self, result: Result) -> bytes:
        """Write the answer as one document. Raises ProviderError `ERR_BAD_RESPONSE` where it has no vectors."""
        written = map(_base64 if self._in_base64 else dumps, vectors_of(result))
        data = ",".join(
            f'{{"object":"embedding","index":{index},"embedding":{vector}}}' for index, vector in enumerate(written)
        )
        tokens = dumps(self.answer_of(result).usage.input_tokens)
        usage = f'{{"prompt_tokens":{tokens},"total_tokens":{tokens}}}'
        return f'{{"object":"list","data":[{data}],"model":{quoted(self.head.model)},"usage":{usage}}}'.encode()


def _base64(vector: Sequence[float]) -> str:
    """Little-endian float32, as OpenAI's own client reads it."""
    return f'"{base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()}"'
