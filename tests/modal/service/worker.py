"""Requests of a container: inputs, places for its outputs, and whether it may go on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf.empty_pb2 import Empty
from grpclib import Status
from modal_proto import api_pb2

from tests.modal.service.state import Input, State
from tests.modal.service.volumes import copy
from tests.modal.service.wire import refuse

if TYPE_CHECKING:
    from tests.modal.service.container import Container
    from tests.modal.service.containers import Fleet

#: A heartbeat is answered within its interval, at once when there is an input to cancel.
HEARTBEAT = 14.0
#: How long a container without an input lives, where its function does not say.
IDLE = 60.0


class Worker:
    """The RPCs of one container."""

    def __init__(self, state: State, fleet: Fleet, container: Container) -> None:
        self.state = state
        self.fleet = fleet
        self.container = container
        self.timers: dict[str, asyncio.TimerHandle] = {}

    async def ContainerHello(self, _: Empty) -> Empty:
        return Empty()

    async def ContainerHeartbeat(self, _: api_pb2.ContainerHeartbeatRequest) -> api_pb2.ContainerHeartbeatResponse:
        cancelled = self.container.cancelled
        await self.state.bell.until(lambda: cancelled, HEARTBEAT)
        if not cancelled:
            return api_pb2.ContainerHeartbeatResponse()
        event = api_pb2.CancelInputEvent(input_ids=cancelled)
        cancelled.clear()
        return api_pb2.ContainerHeartbeatResponse(cancel_input_event=event)

    async def FunctionGetInputs(self, _: api_pb2.FunctionGetInputsRequest) -> api_pb2.FunctionGetInputsResponse:
        """The next input, or the word to end: when the app was published anew, or after long enough without any."""
        self._is_up()
        idle = self.container.definition.task_idle_timeout_secs or IDLE
        await self.state.bell.until(lambda: self.container.retiring or self._next(), idle)
        found = self._next()
        if self.container.retiring or (found is None and not self.container.inputs):
            self.container.retiring = True
            return api_pb2.FunctionGetInputsResponse(inputs=[api_pb2.FunctionGetInputsItem(kill_switch=True)])
        if found is None:
            return api_pb2.FunctionGetInputsResponse()
        return api_pb2.FunctionGetInputsResponse(inputs=[self._hand_out(found)])

    async def ContainerServerLifecycleReady(self, _: api_pb2.ContainerServerLifecycleReadyRequest) -> Empty:
        """The methods that start a server have returned (modal/experimental/flash_server.py)."""
        self._is_up()
        return Empty()

    def _is_up(self) -> None:
        if not self.container.ready:
            self.container.ready = True
            for timer in self.container.timers:
                timer.cancel()

    def _next(self) -> Input | None:
        return next(iter(self.fleet.queued(self.container.function)), None)

    def _hand_out(self, found: Input) -> api_pb2.FunctionGetInputsItem:
        found.container = self.container
        found.attempts += 1
        self.container.inputs.append(found)
        if seconds := self.container.definition.timeout_secs:
            self.timers[found.id] = self.fleet.later(self.container, seconds, self.fleet.time_out, found, seconds)
        return api_pb2.FunctionGetInputsItem(
            input_id=found.id,
            input=found.item,
            function_call_id=found.call.id,
            function_call_invocation_type=found.call.invocation,  # type: ignore[arg-type]
        )

    async def FunctionCallPutDataOut(self, request: api_pb2.FunctionCallPutDataRequest) -> Empty:
        chunks = self.state.calls[request.function_call_id].chunks
        for chunk in request.data_chunks:
            if self.state.numbers_on:
                chunk.index = len(chunks) + 1
            chunks.append(chunk)
        self.state.bell.ring()
        return Empty()

    async def FunctionPutOutputs(self, request: api_pb2.FunctionPutOutputsRequest) -> Empty:
        for item in request.outputs:
            found = next((one for one in self.container.inputs if one.id == item.input_id), None)
            cancelled = item.result.status == api_pb2.GenericResult.GENERIC_STATUS_TERMINATED
            if found is not None and not (cancelled and self.container.preempted):
                self.container.inputs.remove(found)
                found.finish(item.result, item.data_format)
                if timer := self.timers.pop(found.id, None):
                    timer.cancel()
        self.state.bell.ring()
        return Empty()

    async def FunctionGetDynamicConcurrency(
        self, request: api_pb2.FunctionGetDynamicConcurrencyRequest
    ) -> api_pb2.FunctionGetDynamicConcurrencyResponse:
        return api_pb2.FunctionGetDynamicConcurrencyResponse(concurrency=request.max_concurrency)

    async def TaskResult(self, request: api_pb2.TaskResultRequest) -> Empty:
        """The container could not import the function."""
        self.container.reason = request.result
        return Empty()

    async def VolumeReload(self, request: api_pb2.VolumeReloadRequest) -> Empty:
        """Other containers' and clients' files appear. Raises GRPCError: FAILED_PRECONDITION, with files still open."""
        volume = self.state.volumes[request.volume_id]
        mine = self.container.volumes[volume.id]
        if set(_open_files(self.container.pid)) & {_identity(file) for file in mine.rglob("*")}:
            raise refuse(Status.FAILED_PRECONDITION, "there are open files preventing the operation")
        copy(volume.folder, mine, exactly=True)
        return Empty()

    async def VolumeCommit(self, request: api_pb2.VolumeCommitRequest) -> api_pb2.VolumeCommitResponse:
        volume = self.state.volumes[request.volume_id]
        copy(self.container.volumes[volume.id], volume.folder, exactly=False)
        return api_pb2.VolumeCommitResponse()


def _open_files(pid: int) -> Iterator[tuple[int, int]]:
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            yield _identity(entry)


def _identity(path: Path) -> tuple[int, int]:
    return (path.stat().st_dev, path.stat().st_ino)
