"""`GET /v1/models` and `/v1/models/{id}` in OpenAI's shape."""

from __future__ import annotations

from typing import Any

from starlette.types import Scope

from theoryctl_providers.contract import ProviderConfig
from theoryctl_providers.wires.exchange import NO_TIME
from theoryctl_providers.wires.models import known_model, listed_model


def models_document(scope: Scope, config: ProviderConfig) -> dict[str, Any]:
    """The list of the one model that an instance knows by name."""
    return {"object": "list", "data": [_model(listed_model(scope, config))]}


def model_document(name: str, scope: Scope, config: ProviderConfig) -> dict[str, Any]:
    """One model, by its name with or without the vendor. Raises ProviderError `ERR_MODEL_NOT_FOUND`."""
    return _model(known_model(name, scope, config, listed="GET /v1/models", asked="POST /v1/chat/completions"))


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": NO_TIME, "owned_by": name.rpartition("/")[0] or "theoryctl"}
