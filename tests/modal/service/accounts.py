"""Accounts with their tokens, and the environments of the workspace."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Mapping
from typing import Any

from google.protobuf.empty_pb2 import Empty
from grpclib import Status
from modal_proto import api_pb2

from tests.modal.service.state import State, new_id
from tests.modal.service.wire import refuse

CREATES = (api_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING, api_pb2.OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS)
#: The only image builder that puts no layers of its own on top of an image from a registry.
BUILDER = "2025.06"


class Accounts:
    """Tokens and environments."""

    def __init__(self, state: State) -> None:
        self.state = state

    def admit(self, metadata: Mapping[str, Any]) -> None:
        """Raises GRPCError: UNAUTHENTICATED, for any token but the one that is valid."""
        token = (metadata.get("x-modal-token-id"), metadata.get("x-modal-token-secret"))
        if None in token:
            raise refuse(Status.UNAUTHENTICATED, "Token missing. Could not authenticate client.")
        if token != self.state.token or self.state.revoked:
            raise refuse(Status.UNAUTHENTICATED, "Token validation failed.")

    async def ClientHello(self, _: Empty) -> api_pb2.ClientHelloResponse:
        return api_pb2.ClientHelloResponse(image_builder_version=BUILDER)

    async def AuthTokenGet(self, _: api_pb2.AuthTokenGetRequest) -> api_pb2.AuthTokenGetResponse:
        claims = base64.urlsafe_b64encode(json.dumps({"exp": int(time.time()) + 1200}).encode()).decode().rstrip("=")
        return api_pb2.AuthTokenGetResponse(token=f"e30.{claims}.none")

    async def WorkspaceNameLookup(self, _: Empty) -> api_pb2.WorkspaceNameLookupResponse:
        return api_pb2.WorkspaceNameLookupResponse(workspace_name="tests", username="tests")

    async def EnvironmentCreate(self, request: api_pb2.EnvironmentCreateRequest) -> Empty:
        if not re.fullmatch(r"(?!en-)[a-zA-Z0-9][a-zA-Z0-9\-_]{0,63}", request.name):
            raise refuse(Status.INVALID_ARGUMENT, f"Invalid Environment name: {request.name!r}")
        if request.name in self.state.environments:
            raise refuse(Status.ALREADY_EXISTS, f"Environment '{request.name}' already exists")
        self.state.environments[request.name] = new_id("en")
        return Empty()

    async def EnvironmentDelete(self, request: api_pb2.EnvironmentDeleteRequest) -> Empty:
        del self.state.environments[self.state.environment(request.name)]
        return Empty()

    async def EnvironmentList(self, _: Empty) -> api_pb2.EnvironmentListResponse:
        first = next(iter(self.state.environments))
        items = [
            api_pb2.EnvironmentListItem(
                name=name, environment_id=identity, default=name == first, image_builder_version=BUILDER
            )
            for name, identity in self.state.environments.items()
        ]
        return api_pb2.EnvironmentListResponse(items=items)

    async def EnvironmentGetOrCreate(
        self, request: api_pb2.EnvironmentGetOrCreateRequest
    ) -> api_pb2.EnvironmentGetOrCreateResponse:
        name = request.deployment_name
        if request.object_creation_type in CREATES and name not in self.state.environments:
            await self.EnvironmentCreate(api_pb2.EnvironmentCreateRequest(name=name))
        name = self.state.environment(name)
        settings = api_pb2.EnvironmentSettings(image_builder_version=BUILDER)
        return api_pb2.EnvironmentGetOrCreateResponse(
            environment_id=self.state.environments[name],
            metadata=api_pb2.EnvironmentMetadata(name=name, settings=settings),
        )
