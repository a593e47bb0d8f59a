"""`GET /v1beta/models` and `/v1beta/models/{id}` in Gemini's shape."""

from __future__ import annotations

from typing import Any

from starlette.types import Scope

from theoryctl_providers.contract import ProviderConfig
from theoryctl_providers.wires.models import known_model, listed_model

_METHODS = ["generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents"]


def models_document(scope: Scope, config: ProviderConfig) -> dict[str, Any]:
    """The list of the one model that an instance knows by name."""
    return {"models": [_model(listed_model(scope, config))]}


def model_document(name: str, scope: Scope, config: ProviderConfig) -> dict[str, Any]:
    """One model, by its name with or without the vendor. Raises ProviderError `ERR_MODEL_NOT_FOUND`."""
    asked = f"POST /v1beta/models/{name:.200}:generateContent"
    return _model(known_model(name, scope, config, listed="GET /v1beta/models", asked=asked))


def _model(name: str) -> dict[str, Any]:
    return {"name": f"models/{name}", "displayName": name, "supportedGenerationMethods": _METHODS}
