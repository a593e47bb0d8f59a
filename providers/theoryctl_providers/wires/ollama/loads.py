"""Requests that load a model into memory or drop it: here there is none to load, so no model is asked.

Ollama, server/routes.go: GenerateHandler, ChatHandler, EmbedHandler and EmbeddingsHandler, where nothing is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from theoryctl_providers.contract import VendorInfo, dumps
from theoryctl_providers.wires.body import wrong
from theoryctl_providers.wires.exchange import NO_TIME, Head
from theoryctl_providers.wires.ollama.answer import Place, opening
from theoryctl_providers.wires.ollama.durations import is_zero


def loaded(body: Mapping[str, Any], said: str, nothing: Sequence[Any], place: Place) -> bytes | None:
    """The answer to a request without `said`, its prompt or messages, or with one of `nothing` there; None for one
    that has them.

    Raises ProviderError `ERR_INPUTS` for one that names no model.
    """
    if body.get(said) not in (None, *nothing):
        return None
    document = opening(Head("", NO_TIME, _model(body)), VendorInfo())
    reason = "unload" if is_zero(body.get("keep_alive")) else "load"
    return dumps({**document, **place({"content": ""}), "done": True, "done_reason": reason}).encode()


def loaded_embedder(
    body: Mapping[str, Any], said: str, nothing: Sequence[Any], empty: Mapping[str, Any]
) -> bytes | None:
    """The answer to a request for vectors of nothing, with `empty`; None for one that has a text in `said`.

    Raises ProviderError `ERR_INPUTS` for one that names no model.
    """
    if body.get(said) not in (None, *nothing):
        return None
    return dumps({"model": _model(body), **empty} if "embeddings" in empty else empty).encode()


def _model(body: Mapping[str, Any]) -> str:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise wrong("model", "expected string")
    return model
