"""`embedContent` and `batchEmbedContents`: texts in, a vector for each out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theoryctl_providers.contract import Operation, Result, dumps
from theoryctl_providers.wires.body import check_keys, stated, unsupported, wrong
from theoryctl_providers.wires.exchange import HeadedExchange, vectors_of
from theoryctl_providers.wires.gemini.conversation import parts_of
from theoryctl_providers.wires.gemini.names import camel

#: The purpose of a vector, and a title, change nothing here.
_KNOWN = ("model", "content", "taskType", "title", "outputDimensionality", "autoTruncate")


class EmbedSeveral(HeadedExchange):
    """One exchange of several texts; never streamed."""

    operation: Operation = "embeddings"

    def __init__(self, model: str, body: Mapping[str, Any]) -> None:
        check_keys(body, ("requests",))
        requests = body.get("requests")
        if not isinstance(requests, list) or not all(isinstance(request, dict) for request in requests):
            raise wrong("requests", "expected a list of objects")
        self.model, self.inputs = model, _inputs(model, requests, "requests[{}].")

    @property
    def params(self) -> Mapping[str, str]:
        """Paths in the inputs, and what they are called in the request."""
        return {"input": "requests", "dimensions": "requests[0].outputDimensionality"}

    def whole(self, result: Result) -> bytes:
        """Write the vectors. Raises ProviderError `ERR_BAD_RESPONSE` where there are none."""
        return dumps({"embeddings": [{"values": vector} for vector in vectors_of(result)]}).encode()


class Embed(HeadedExchange):
    """One exchange of one text."""

    operation: Operation = "embeddings"

    def __init__(self, model: str, body: Mapping[str, Any]) -> None:
        self.model, self.inputs = model, _inputs(model, [dict(body)], "")

    @property
    def params(self) -> Mapping[str, str]:
        """Paths in the inputs, and what they are called in the request."""
        return {"input": "content", "dimensions": "outputDimensionality"}

    def whole(self, result: Result) -> bytes:
        """Write the one vector."""
        return dumps({"embedding": {"values": vectors_of(result)[0]}}).encode()


def _inputs(model: str, requests: list[dict[str, Any]], prefix: str) -> dict[str, Any]:
    texts, sizes = [], list[Any]()
    for index, request in enumerate(requests):
        given = camel(request)
        check_keys(given, _KNOWN)
        where = f"{prefix.format(index)}content"
        texts.append(" ".join(_text(part, where) for part in parts_of(given.get("content"), where)))
        sizes.append(given.get("outputDimensionality"))
    if any(size != sizes[0] for size in sizes):
        raise unsupported("requests", "expected one outputDimensionality, got several", "give all requests the same")
    return {"model": model, "input": texts, **stated({"dimensions": sizes[0] if sizes else None})}


def _text(part: Mapping[str, Any], where: str) -> str:
    if not isinstance(part.get("text"), str):
        raise unsupported(where, "only texts have vectors", f"send parts with text in {where}")
    return str(part["text"])
