"""`POST /api/embed` and the older `/api/embeddings`: texts in, a vector for each out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from theoryctl_providers.contract import Operation, Result, dumps
from theoryctl_providers.wires.body import check_keys, object_in, stated, unsupported
from theoryctl_providers.wires.exchange import HeadedExchange, vectors_of
from theoryctl_providers.wires.ollama.durations import check_keep_alive
from theoryctl_providers.wires.ollama.loads import loaded_embedder

#: Parameters that change nothing here: how long a model stays loaded, and what is done about a text that is too long.
_IGNORED = ("keep_alive", "truncate")


class Embed(HeadedExchange):
    """One exchange; never streamed."""

    operation: Operation = "embeddings"
    text = "input"
    #: The ways to give no text, and the vectors of it.
    nothing: ClassVar[tuple[Any, ...]] = ("", [])
    none: ClassVar[Mapping[str, Any]] = {"embeddings": []}

    def __init__(self, body: Mapping[str, Any]) -> None:
        check_keys(body, frozenset(("model", self.text, "dimensions", "options", *_IGNORED)))
        check_keep_alive(body)
        if object_in(body, "options"):
            raise unsupported("options", "embeddings have no options")
        self.told = loaded_embedder(body, self.text, self.nothing, self.none)
        self.model = body.get("model")
        asked = {"model": self.model, "input": body.get(self.text), "dimensions": body.get("dimensions")}
        self.inputs = stated(asked)

    @property
    def params(self) -> Mapping[str, str]:
        """Paths in the inputs, and what they are called in the request."""
        return {"input": self.text}

    def whole(self, result: Result) -> bytes:
        """Write the answer as one document. Raises ProviderError `ERR_BAD_RESPONSE` where it has no vectors."""
        count = self.answer_of(result).usage.input_tokens
        counted = {} if count is None else {"prompt_eval_count": count}
        return dumps({"model": self.head.model, "embeddings": vectors_of(result), **counted}).encode()


class OlderEmbed(Embed):
    """One exchange of the older path, of one text."""

    text = "prompt"
    nothing = ("",)
    none: ClassVar[Mapping[str, Any]] = {"embedding": []}

    def whole(self, result: Result) -> bytes:
        """Write the one vector."""
        return dumps({"embedding": vectors_of(result)[0]}).encode()
