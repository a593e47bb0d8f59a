"""Dicts: bytes by keys that are bytes, both of which clients pickle."""

from __future__ import annotations

from google.protobuf.empty_pb2 import Empty
from grpclib import Status
from modal_proto import api_pb2

from tests.modal.service.accounts import CREATES
from tests.modal.service.state import Dict, State, new_id
from tests.modal.service.wire import check_name, named, refuse


class Dicts:
    """The RPCs about dicts (modal/dict.py)."""

    def __init__(self, state: State) -> None:
        self.state = state

    async def DictGetOrCreate(self, request: api_pb2.DictGetOrCreateRequest) -> api_pb2.DictGetOrCreateResponse:
        name, environment = request.deployment_name, self.state.environment(request.environment_name)
        check_name(name, "Dict")
        found: Dict | None = self.state.one("dicts", name, environment)
        if found is None:
            if request.object_creation_type not in CREATES:
                raise refuse(Status.NOT_FOUND, f"Dict '{name}' not found in environment '{environment}'")
            found = Dict(new_id("di"), name, environment)
            self.state.dicts[found.id] = found
        return api_pb2.DictGetOrCreateResponse(dict_id=found.id, metadata=api_pb2.DictMetadata(name=name))

    async def DictUpdate(self, request: api_pb2.DictUpdateRequest) -> api_pb2.DictUpdateResponse:
        """With `if_not_exists`, keys that are there keep their values, and `created` says whether none was."""
        values = self._by_id(request.dict_id).values
        created = not any(update.key in values for update in request.updates)
        if created or not request.if_not_exists:
            values.update({update.key: update.value for update in request.updates})
        return api_pb2.DictUpdateResponse(created=created)

    async def DictGet(self, request: api_pb2.DictGetRequest) -> api_pb2.DictGetResponse:
        value = self._by_id(request.dict_id).values.get(request.key)
        return api_pb2.DictGetResponse(found=value is not None, value=value)

    async def DictContains(self, request: api_pb2.DictContainsRequest) -> api_pb2.DictContainsResponse:
        return api_pb2.DictContainsResponse(found=request.key in self._by_id(request.dict_id).values)

    async def DictDelete(self, request: api_pb2.DictDeleteRequest) -> Empty:
        del self.state.dicts[self._by_id(request.dict_id).id]
        return Empty()

    def _by_id(self, identity: str) -> Dict:
        return named(self.state.dicts.get(identity), f"Dict {identity}")  # type: ignore[no-any-return]
