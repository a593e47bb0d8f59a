"""Secrets: sets of environment variables, by name or of one app."""

from __future__ import annotations

from google.protobuf.empty_pb2 import Empty
from grpclib import Status
from modal_proto import api_pb2

from tests.modal.service.state import Secret, State, new_id
from tests.modal.service.wire import check_name, named, refuse

_MERELY_LOOKS = api_pb2.OBJECT_CREATION_TYPE_UNSPECIFIED
_NAMELESS = (api_pb2.OBJECT_CREATION_TYPE_ANONYMOUS_OWNED_BY_APP, api_pb2.OBJECT_CREATION_TYPE_EPHEMERAL)


class Secrets:
    """The RPCs about secrets. None of them gives a value back."""

    def __init__(self, state: State) -> None:
        self.state = state

    async def SecretGetOrCreate(self, request: api_pb2.SecretGetOrCreateRequest) -> api_pb2.SecretGetOrCreateResponse:
        kind, name = request.object_creation_type, request.deployment_name
        environment = self.state.environment(request.environment_name)
        found = None if kind in _NAMELESS else self._named(kind, name, environment)
        if found is None:
            if not request.env_dict:
                raise refuse(Status.INVALID_ARGUMENT, "Secret has no keys")
            found = Secret(new_id("st"), name, environment, dict(request.env_dict))
            self.state.secrets[found.id] = found
        elif kind == api_pb2.OBJECT_CREATION_TYPE_CREATE_OVERWRITE_IF_EXISTS:
            found.values = dict(request.env_dict)
        if missing := [key for key in request.required_keys if key not in found.values]:
            raise refuse(self.state.missing_key, f"Secret is missing key(s): {', '.join(missing)}")
        return api_pb2.SecretGetOrCreateResponse(secret_id=found.id, metadata=found.metadata)

    def _named(self, kind: int, name: str, environment: str) -> Secret | None:
        check_name(name, "Secret")
        found: Secret | None = self.state.one("secrets", name, environment)
        if found is None and kind == _MERELY_LOOKS:
            raise refuse(Status.NOT_FOUND, f"Secret '{name}' not found in environment '{environment}'")
        if found is not None and kind == api_pb2.OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS:
            raise refuse(Status.ALREADY_EXISTS, f"Secret '{name}' already exists in environment '{environment}'")
        return found

    async def SecretUpdate(self, request: api_pb2.SecretUpdateRequest) -> Empty:
        """Adds and overwrites; what is not named stays."""
        self._by_id(request.secret_id).values.update({update.key: update.value for update in request.updates})
        return Empty()

    async def SecretGetInfo(self, request: api_pb2.SecretGetInfoRequest) -> api_pb2.SecretGetInfoResponse:
        return api_pb2.SecretGetInfoResponse(metadata=self._by_id(request.secret_id).metadata)

    async def SecretList(self, request: api_pb2.SecretListRequest) -> api_pb2.SecretListResponse:
        """Those with a name, from the newest on."""
        environment, page = self.state.environment(request.environment_name), request.pagination
        there = [one for one in self.state.secrets.values() if one.environment == environment and one.name]
        before = [one for one in there if one.created_at < page.created_before]
        newest = sorted(before, key=lambda one: -one.created_at)[: page.max_objects]
        items = [api_pb2.SecretListItem(label=one.name, secret_id=one.id, metadata=one.metadata) for one in newest]
        return api_pb2.SecretListResponse(items=items, environment_name=environment)

    async def SecretDelete(self, request: api_pb2.SecretDeleteRequest) -> Empty:
        del self.state.secrets[self._by_id(request.secret_id).id]
        return Empty()

    def _by_id(self, identity: str) -> Secret:
        return named(self.state.secrets.get(identity), f"Secret {identity}")  # type: ignore[no-any-return]
