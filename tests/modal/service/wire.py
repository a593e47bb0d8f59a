"""gRPC as modal's client speaks it: requests come in, are written down, and go to the room that answers them."""

from __future__ import annotations

import asyncio
import inspect
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message
from grpclib import GRPCError, Status
from grpclib.exceptions import StreamTerminatedError
from grpclib.server import Stream
from h2.exceptions import StreamClosedError
from modal_proto.api_grpc import ModalClientBase


@dataclass(frozen=True)
class Entry:
    """A request that came in. Its fields may hold the value of a secret, so it does not show them by itself."""

    method: str
    request: Any = field(repr=False)
    container: str = ""
    at: float = field(default_factory=time.time)


@dataclass
class Fault:
    """A fault of the next `times` requests: they are refused, or, without a status, answered `seconds` later.

    Requests of containers are spared if only those of `clients` are meant.
    """

    status: Status | None
    times: float
    message: str = ""
    clients: bool = False
    seconds: float = float("inf")

    async def meet(self, container: str) -> None:
        if self.times <= 0 or (self.clients and container):
            return
        self.times -= 1
        if self.status is None:
            await asyncio.sleep(self.seconds)
        else:
            raise GRPCError(self.status, self.message)


@dataclass
class Wire:
    """Common part of all servers of a service: journal, the faults that a test asks for, and the service's own bugs."""

    journal: list[Entry] = field(default_factory=list)
    faults: dict[str, Fault] = field(default_factory=dict)
    bugs: list[BaseException] = field(default_factory=list)


class Bell:
    """Wakes everybody who waits for something to become true."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()
        self._rung = asyncio.Event()

    async def until(self, true: Callable[[], Any], seconds: float) -> Any:
        """Wait until `true` returns a value that is not falsy, or for so many seconds, and return the value."""
        end = time.monotonic() + seconds
        while not (found := true()) and (left := end - time.monotonic()) > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._rung.wait(), left)
        return found


def servicer(wire: Wire, rooms: Sequence[object], admit: Callable[[Any], None], container: str = "") -> ModalClientBase:
    """A service whose methods are those of the rooms; the first room that has one answers. An asynchronous generator
    answers with a stream. Raises GRPCError: UNIMPLEMENTED, where no room has it."""

    async def answer(name: str, stream: Stream[Any, Any]) -> None:
        request = await stream.recv_message()
        wire.journal.append(Entry(name, request, container))
        admit(stream.metadata)
        await wire.faults.get(name, _NO_FAULT).meet(container)
        method = next((getattr(room, name) for room in rooms if hasattr(room, name)), None)
        if method is None:
            raise GRPCError(Status.UNIMPLEMENTED, f"the tests' Modal has no {name}")
        if inspect.isasyncgenfunction(method):
            async for message in method(request):
                await stream.send_message(message)
        else:
            await stream.send_message(await method(request))

    def method(name: str) -> Callable[[Any, Stream[Any, Any]], Any]:
        async def handle(_: Any, stream: Stream[Any, Any]) -> None:
            try:
                await answer(name, stream)
            except GRPCError:
                raise
            except (StreamTerminatedError, StreamClosedError):  # whoever asked is gone
                return
            except Exception as error:
                wire.bugs.append(error)
                raise GRPCError(Status.INTERNAL, f"bug of the tests' Modal: {error!r}") from error

        return handle

    names = ModalClientBase.__abstractmethods__
    return type("Servicer", (ModalClientBase,), {name: method(name) for name in names})()  # type: ignore[no-any-return]


_NO_FAULT = Fault(None, 0)


def refuse(status: Status, message: str) -> GRPCError:
    return GRPCError(status, message)


def check_name(name: str, kind: str) -> None:
    """The rule of modal._utils.name_utils, held by the server too."""
    if not re.fullmatch(r"[a-zA-Z0-9\-_.]{1,64}", name) or re.fullmatch(r"ap-[a-zA-Z0-9]{22}", name):
        raise refuse(Status.INVALID_ARGUMENT, f"Invalid {kind} name: {name!r}")


def check_tag(tag: str, most: int) -> None:
    """Deployment tags are up to 50 characters long, the keys and values of app tags up to 63."""
    if not re.fullmatch(rf"[a-zA-Z0-9._\-]{{1,{most}}}", tag):
        raise refuse(Status.INVALID_ARGUMENT, f"Invalid tag: {tag!r}")


def named(found: Message | Any, what: str) -> Any:
    """Return the value that was found; raise NOT_FOUND for none."""
    if found is None:
        raise refuse(Status.NOT_FOUND, f"{what} not found")
    return found
