"""`GET /api/tags` and `POST /api/show`: what Ollama knows of a file, no instance has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.types import Scope

from theoryctl_providers.contract import ProviderConfig, sha256
from theoryctl_providers.wires.body import wrong
from theoryctl_providers.wires.models import known_model, listed_model

_TIME = "2000-01-01T00:00:00Z"
_DETAILS = {"format": "", "family": "", "families": None, "parameter_size": "", "quantization_level": ""}


def models_document(scope: Scope, config: ProviderConfig) -> dict[str, Any]:
    """The list of the one model that an instance knows by name."""
    name = listed_model(scope, config)
    # The digest is of the name, for there is no file; clients tell models apart by it.
    digest = sha256(name.encode()).partition(":")[2]
    facts = {"modified_at": _TIME, "size": None, "digest": digest, "details": _DETAILS}
    return {"models": [{"name": name, "model": name, **facts}]}


def asked_model(body: Mapping[str, Any], scope: Scope, config: ProviderConfig) -> str:
    """The model that a body names. Raises ProviderError `ERR_INPUTS`, `ERR_MODEL_NOT_FOUND`."""
    name = body.get("model", body.get("name"))
    if not isinstance(name, str):
        raise wrong("model", "expected string")
    return known_model(name, scope, config, listed="GET /api/tags", asked="POST /api/chat")


def model_document(_name: str) -> dict[str, Any]:
    """The facts of a model that answers, as far as they are known."""
    capabilities = ["completion", "tools", "vision"]
    return {"modified_at": _TIME, "details": _DETAILS, "model_info": {}, "capabilities": capabilities}
