"""Functions of an app: created, found by name, and called."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from google.protobuf.empty_pb2 import Empty
from grpclib import Status
from modal_proto import api_pb2

from tests.modal.service.containers import Fleet
from tests.modal.service.servers import Servers
from tests.modal.service.state import Call, Function, Input, State, new_id
from tests.modal.service.wire import named, refuse

SYNC = (api_pb2.FUNCTION_CALL_INVOCATION_TYPE_SYNC, api_pb2.FUNCTION_CALL_INVOCATION_TYPE_SYNC_LEGACY)
POLL = 55.0


class Functions:
    """The RPCs that create functions and find them."""

    def __init__(self, state: State, servers: Servers) -> None:
        self.state = state
        self.servers = servers

    async def FunctionPrecreate(self, request: api_pb2.FunctionPrecreateRequest) -> api_pb2.FunctionPrecreateResponse:
        app = self.state.app(request.app_id)
        identity = request.existing_function_id or new_id("fu")
        known = app.functions.get(identity)
        handle = api_pb2.FunctionHandleMetadata(
            function_name=request.function_name,
            function_type=request.function_type,
            function_schema=request.function_schema,
            supported_input_formats=request.supported_input_formats,
            supported_output_formats=request.supported_output_formats,
            app_id=app.id,
        )
        if known is None:
            app.functions[identity] = Function(identity, app.id, handle)
        else:
            known.handle = handle
        return api_pb2.FunctionPrecreateResponse(function_id=identity, handle_metadata=handle)

    async def FunctionCreate(self, request: api_pb2.FunctionCreateRequest) -> api_pb2.FunctionCreateResponse:
        """The definition becomes live when its app is published."""
        app = self.state.app(request.app_id)
        function = named(app.functions.get(request.existing_function_id), "Function")
        if request.HasField("function_data"):
            raise refuse(Status.UNIMPLEMENTED, "the tests' Modal knows no functions with several GPUs to choose from")
        function.pending = request.function
        function.handle.definition_id = new_id("de")
        if request.function.is_server:
            function.handle._experimental_flash_urls[:] = [await self.servers.address(function)]
        return api_pb2.FunctionCreateResponse(
            function_id=function.id,
            function=request.function,
            function_data=_data(request.function),
            handle_metadata=function.handle,
        )

    async def FunctionGet(self, request: api_pb2.FunctionGetRequest) -> api_pb2.FunctionGetResponse:
        app = self.state.deployed(request.app_name, request.environment_name)
        if app is None:
            where = self.state.environment(request.environment_name)
            raise refuse(Status.NOT_FOUND, f"App '{request.app_name}' not found in environment '{where}'")
        tag = request.object_tag
        function = next((one for one in app.functions.values() if one.handle.function_name == tag), None)
        if function is None or function.definition is None:
            raise refuse(Status.NOT_FOUND, f"App '{request.app_name}' has no function '{tag}'")
        return api_pb2.FunctionGetResponse(
            function_id=function.id, handle_metadata=function.handle, function=_data(function.definition)
        )

    async def FunctionGetById(self, request: api_pb2.FunctionGetByIdRequest) -> api_pb2.FunctionGetByIdResponse:
        function = self.state.function(request.function_id)
        data = _data(function.definition or function.pending or api_pb2.Function())
        return api_pb2.FunctionGetByIdResponse(function=data, handle_metadata=function.handle)


class Calls:
    """The RPCs that call a function and wait for what comes of it."""

    def __init__(self, state: State, fleet: Fleet) -> None:
        self.state = state
        self.fleet = fleet

    async def FunctionMap(self, request: api_pb2.FunctionMapRequest) -> api_pb2.FunctionMapResponse:
        function = self.state.function(request.function_id)
        call = Call(new_id("fc"), function, request.function_call_invocation_type)
        self.state.calls[call.id] = call
        items = self._put(call, request.pipelined_inputs)
        return api_pb2.FunctionMapResponse(
            function_call_id=call.id, function_call_jwt=call.id, pipelined_inputs=items, max_inputs_outstanding=1000
        )

    async def FunctionPutInputs(self, request: api_pb2.FunctionPutInputsRequest) -> api_pb2.FunctionPutInputsResponse:
        return api_pb2.FunctionPutInputsResponse(inputs=self._put(self._call(request.function_call_id), request.inputs))

    def _put(
        self, call: Call, items: list[api_pb2.FunctionPutInputsItem]
    ) -> list[api_pb2.FunctionPutInputsResponseItem]:
        answers = []
        for item in items:
            one = Input(new_id("in"), item.idx, call, item.input)
            call.inputs.append(one)
            answers.append(api_pb2.FunctionPutInputsResponseItem(idx=one.idx, input_id=one.id, input_jwt=one.id))
        self.fleet.scale(call.function)
        self.state.bell.ring()
        return answers

    async def FunctionGetOutputs(
        self, request: api_pb2.FunctionGetOutputsRequest
    ) -> api_pb2.FunctionGetOutputsResponse:
        call = self._call(request.function_call_id)

        def outputs() -> list[api_pb2.FunctionGetOutputsItem]:
            last = request.end_idx if request.HasField("end_idx") else 2**31
            return [one.output for one in call.inputs if one.output and request.start_idx <= one.idx <= last]

        with self._listening(call):
            found = await self.state.bell.until(outputs, request.timeout)
        left = sum(one.output is None for one in call.inputs)
        return api_pb2.FunctionGetOutputsResponse(
            idxs=[one.idx for one in found], outputs=found, last_entry_id="0-0", num_unfinished_inputs=left
        )

    async def FunctionCallGetDataOut(
        self, request: api_pb2.FunctionCallGetDataRequest
    ) -> AsyncIterator[api_pb2.DataChunk]:
        call, last = self._call(request.function_call_id), request.last_index

        def chunks() -> list[api_pb2.DataChunk]:
            return [one for one in call.chunks if one.index > last]

        with self._listening(call):
            while found := await self.state.bell.until(chunks, POLL):
                for chunk in found:
                    yield chunk
                last = found[-1].index

    async def FunctionCallCancel(self, request: api_pb2.FunctionCallCancelRequest) -> Empty:
        self._cancel(self._call(request.function_call_id))
        return Empty()

    def _call(self, identity: str) -> Call:
        return named(self.state.calls.get(identity), f"Function call {identity}")  # type: ignore[no-any-return]

    @contextmanager
    def _listening(self, call: Call) -> Iterator[None]:
        call.listeners += 1
        try:
            yield
        finally:
            call.listeners -= 1
            if call.invocation in SYNC and not call.done and self.state.patience < float("inf"):
                asyncio.get_running_loop().call_later(self.state.patience, self._cancel_unheard, call)

    def _cancel_unheard(self, call: Call) -> None:
        if not call.listeners and not call.done:
            self._cancel(call)

    def _cancel(self, call: Call) -> None:
        for one in call.inputs:
            if one.output is None:
                self.fleet.cancel(one, "Function call was cancelled by user or a failure")


def _data(definition: api_pb2.Function) -> api_pb2.FunctionData:
    """The data that a client gets of a definition: the fields of the same name, and the definition as its only rank."""
    shared = set(api_pb2.FunctionData.DESCRIPTOR.fields_by_name) & set(definition.DESCRIPTOR.fields_by_name)
    data = api_pb2.FunctionData(**{name: getattr(definition, name) for name in shared if _given(definition, name)})
    data.ranked_functions.add(rank=0, function=definition)
    return data


def _given(definition: api_pb2.Function, name: str) -> bool:
    return any(field.name == name for field, _ in definition.ListFields())
