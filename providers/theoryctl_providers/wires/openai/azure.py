"""Azure's OpenAI as a dialect: OpenAI's exchanges, where the path may name a deployment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.types import Scope

from theoryctl_providers.contract.wire import ServerConfig
from theoryctl_providers.wires.dialect import BEARER, AnyCredential, HeaderCredential
from theoryctl_providers.wires.openai.dialect import OpenAI

_DEPLOYMENT = "/openai/deployments/{deployment}"


class Azure(OpenAI):
    """The paths of a deployment, and those of version 1. A deployment's name is a model of Azure's."""

    name = "Azure"
    example = "POST /openai/deployments/MODEL/chat/completions"
    prefixes = ("/openai/",)
    #: Azure's own guide names endpoints without the version (learn.microsoft.com, "Azure OpenAI global batch").
    batched = ("/v1", "")
    #: A key, or a token of Entra ID.
    credential = AnyCredential("the key in api-key", (HeaderCredential("the key", b"api-key"), BEARER))

    def __init__(self, config: ServerConfig) -> None:
        super().__init__(config)
        self._vendor = "azure"
        # The version of the API in the query says which parameters there are: here it is always the newest.
        asked = {path: app for (method, path), app in self.routes.items() if method == "POST"}
        self.routes = {
            **{(method, f"/openai{path}"): app for (method, path), app in self.routes.items()},
            **{(method, path.replace("/v1", "/openai", 1)): app for (method, path), app in self.routes.items()},
            **{("POST", path.replace("/v1", _DEPLOYMENT, 1)): app for path, app in asked.items()},
        }

    def _body(self, scope: Scope, body: Mapping[str, Any]) -> Mapping[str, Any]:
        deployment = scope.get("path_params", {}).get("deployment")
        return body if deployment is None else {**body, "model": deployment}
