"""`GET /v1/models` and `/v1/models/{id}` in Anthropic's shape."""

from __future__ import annotations

from typing import Any

from starlette.types import Scope

from theoryctl_providers.contract import ProviderConfig
from theoryctl_providers.wires.models import known_model, listed_model


def models_document(scope: Scope, config: ProviderConfig) -> dict[str, Any]:
    """The list of the one model that an instance knows by name."""
    name = listed_model(scope, config)
    return {"data": [_model(name)], "has_more": False, "first_id": name, "last_id": name}


def model_document(name: str, scope: Scope, config: ProviderConfig) -> dict[str, Any]:
    """One model, by its name with or without the vendor. Raises ProviderError `ERR_MODEL_NOT_FOUND`."""
    return _model(known_model(name, scope, config, listed="GET /v1/models", asked="POST /v1/messages"))


def _model(name: str) -> dict[str, Any]:
    return {"type": "model", "id": name, "display_name": name, "created_at": "2000-01-01T00:00:00Z"}
