"""`GET /v1/models` and `/v1/models/{id}`: the model that an instance answers with, and in mock mode any other."""

from __future__ import annotations

from typing import Any

from theoryctl_providers.contract import Mode, ProviderConfig, ProviderError, is_mock
from theoryctl_providers.inputs.normalize import qualified, vendor_of
from theoryctl_providers.lookup import default_model_of
from theoryctl_providers.wires.exchange import NO_TIME


def models_document(config: ProviderConfig) -> dict[str, Any]:
    """The list: an instance knows one model by name, its default."""
    return {"object": "list", "data": [_model(_default(config))]}


def model_document(name: str, mode: Mode, config: ProviderConfig) -> dict[str, Any]:
    """One model, by its name with or without the vendor. A mock answers as any; of a real vendor only the default is
    known to be there.

    Raises ProviderError `ERR_MODEL_NOT_FOUND`.
    """
    if not name:
        raise ProviderError("ERR_MODEL_NOT_FOUND", "no model is named", hint="GET /v1/models", param="model")
    default = _default(config)
    if is_mock(mode) or qualified(name, vendor_of(default)) == default:
        return _model(name)
    message = f"this instance cannot say whether there is a model {name!r:.200}; its default is {default!r}"
    raise ProviderError("ERR_MODEL_NOT_FOUND", message, hint="ask it: POST /v1/chat/completions", param="model")


def _default(config: ProviderConfig) -> str:
    return default_model_of(config) or ""


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": NO_TIME, "owned_by": name.rpartition("/")[0] or "theoryctl"}
