"""The gate before every request: token, limits, drain, the last catch, and the line in the log."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable
from itertools import chain
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from theoryctl_providers.asgi.connection import DRAINING, HANG_UP, WHOLE, ClientGone, note_refusal, patient
from theoryctl_providers.asgi.journal import Entry
from theoryctl_providers.contract import ProviderError, dumps
from theoryctl_providers.contract.error_redactor import ErrorRedactor, hidden_parts
from theoryctl_providers.contract.errors import LONGEST
from theoryctl_providers.contract.json_text import cut
from theoryctl_providers.contract.wire import ServerConfig
from theoryctl_providers.server.paths import Paths
from theoryctl_providers.server.refusals import refusal
from theoryctl_providers.server.tenants import Tenants
from theoryctl_providers.wires.dialect import Credential, Dialect
from theoryctl_providers.wires.tenant import Tenant, admit_tenant, asking_tenant

#: Takes a line of the log.
Log = Callable[[str], None]

#: Where the traceback of a bug is left for the log.
_TRACEBACK = "theoryctl.traceback"

#: The failure of a request that the end of the server cuts off.
_STOPPED = ProviderError("ERR_NOT_RUNNING", "the instance stopped before it had answered", hint="start it again")

#: Seconds that calls have to end in once they are cut off.
_UNTIL_CUT_OFF = 0.5

#: Seconds for which a drained server keeps recordings that nobody takes.
_UNTIL_TAKEN = 1.0

#: What the log says of a client that did not wait for its answer, as nginx does.
CLIENT_GONE = 499


class Gate:
    """An ASGI application around all routes. `drain` lets nothing new in and returns when all that was in has left, or
    was cut off.

    Whoever brings the token of one of its `tenants` is let in. The first is the server's own.
    """

    def __init__(self, paths: Paths, config: ServerConfig, log: Log) -> None:
        self._paths, self._limits = paths, config.limits
        self.tenants = Tenants()
        self.tenants.add(config.token, Tenant(config.provider))
        hidden = {**config.provider.secrets, **config.provider.hidden, "TOKEN": config.token}
        self._redactor = ErrorRedactor(hidden_parts(hidden))
        self._log = log
        self._tape = config.provider.tape
        self._inside = 0
        self._calls = set[asyncio.Task[Any] | None]()
        self._draining = False
        self._empty = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        dialect, app = self._paths.find(scope)
        is_open = scope["path"] in dialect.open_paths
        scope[DRAINING] = self._draining
        is_kept = scope["path"] in dialect.kept_paths
        error = self._refused(scope, None if is_open else dialect.credential, is_kept)
        log = None if is_open else self._log
        if error is not None:
            app = refusal(dialect, error, 431 if error.code == "ERR_TOO_LARGE" else None)
            await self._answered(scope, receive, send, dialect, app, log)
            return
        if WHOLE not in scope:
            receive = patient(receive, self._limits.receive_seconds)
        self._inside += 1
        call = None if is_kept else asyncio.current_task()
        self._calls.add(call)
        try:
            await self._answered(scope, receive, send, dialect, app, log)
        finally:
            self._calls.discard(call)
            self._inside -= 1
            if self._inside == 0:
                self._empty.set()

    async def _answered(
        self, scope: Scope, receive: Receive, send: Send, dialect: Dialect, app: ASGIApp, log: Log | None
    ) -> None:
        """Have `app` answer, or say that it broke, and then `log` the request, unless there is no log."""
        start, tenant = time.perf_counter(), asking_tenant(scope)
        entry = None if tenant is None or scope["method"] != "POST" else tenant.journal.open(scope)
        sending = _Sending(scope, send, entry)
        receive = receive if entry is None else entry.hear(receive)
        gone = False
        try:
            await app(scope, receive, sending)
        except ClientGone:  # nobody is left to answer
            gone = True
        except asyncio.CancelledError as error:
            await self._broke(scope, receive, sending, dialect, _STOPPED if _is_cancelled() else error)
        except Exception as error:
            await self._broke(scope, receive, sending, dialect, error)
        finally:
            if tenant is not None and entry is not None:
                if not sending.ended:
                    entry.note(scope, sending.status)
                tenant.journal.settle(entry)
            if log is None and _TRACEBACK in scope:  # a bug is told in any case
                log = self._log
            if log is not None:
                status = CLIENT_GONE if gone or sending.status is None else sending.status
                log(dumps(_line(scope, status, time.perf_counter() - start)))

    async def _broke(
        self, scope: Scope, receive: Receive, sending: _Sending, dialect: Dialect, error: BaseException
    ) -> None:
        """Answer for an application that failed, or hang up where it had begun to answer."""
        failure = error if isinstance(error, ProviderError) else self._bug(scope, error)
        note_refusal(scope, failure)
        if sending.status is None:
            await refusal(dialect, failure)(scope, receive, sending)
        elif HANG_UP in scope:
            scope[HANG_UP]()

    def _bug(self, scope: Scope, error: BaseException) -> ProviderError:
        """Make the failure that a bug is, and leave its traceback for the log; neither holds a secret."""
        clean = self._redactor.text
        scope[_TRACEBACK] = clean("".join(traceback.format_exception(error))[-LONGEST:])
        message = clean(f"the instance failed with {type(error).__name__}: {error}"[:LONGEST])
        return ProviderError("ERR_INTERNAL", message, hint="look into the log of the instance, and report what it says")

    async def drain(self, seconds: float) -> None:
        """Refuse new requests; return when those inside have finished. Those that have not after `seconds` are cut off,
        but for those of paths that are kept open."""
        self._draining = True
        self._empty.clear()
        if self._inside:
            try:
                await asyncio.wait_for(self._empty.wait(), seconds)
            except TimeoutError:
                await self._cut_off()

    async def _cut_off(self) -> None:
        """Cancel the calls that are inside. One that ended later would be answered, and nobody take its recording."""
        calls = [call for call in self._calls if call is not None]
        for call in calls:
            call.cancel()
        if calls:
            await asyncio.wait(calls, timeout=_UNTIL_CUT_OFF)

    async def hand_over(self) -> None:
        """Return when the last recordings are taken, or after a while, for nobody may be there to take them."""
        end = time.monotonic() + _UNTIL_TAKEN
        while self._tape is not None and not self._tape.is_empty and time.monotonic() < end:
            await asyncio.sleep(0.02)

    def _refused(self, scope: Scope, credential: Credential | None, is_kept: bool) -> ProviderError | None:
        """Return the refusal of a request, or None; without a `credential` to ask for, only its size counts, and where
        its path `is_kept` open, not how many others there are."""
        if sum(map(len, chain.from_iterable(scope["headers"]))) > self._limits.headers:
            return ProviderError("ERR_TOO_LARGE", "the headers are too large", hint="send less")
        if credential is None:
            return None
        tenant = self.tenants.of(credential.of(scope))
        if tenant is None:
            message = f"{credential.called} is missing or wrong"
            return ProviderError("ERR_TOKEN", message, hint="send the instance's own token")
        admit_tenant(scope, tenant)
        if is_kept:
            return None
        if self._draining:
            return ProviderError("ERR_NOT_RUNNING", "the instance is about to stop", hint="start it again")
        if self._inside >= self._limits.concurrency:
            message = f"the instance has {self._inside} requests, as many as it takes"
            return ProviderError("ERR_OVERLOADED", message, hint="wait a moment, then send it again")
        return None


def _is_cancelled() -> bool:
    """Return whether the server ends, and not a provider raised what looks like it."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class _Sending:
    """Sends an answer, and knows the status that was sent, None for none yet, and whether the answer ended.

    The journal learns of an answer with its first piece and its last: before the client can know that it is there.
    Where the rest of a request may still be on its way, the connection ends with the answer.
    """

    def __init__(self, scope: Scope, send: Send, entry: Entry | None) -> None:
        self.status: int | None = None
        self.ended = self._begun = False
        self._scope, self._send, self._entry = scope, send, entry

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if HANG_UP in self._scope and WHOLE not in self._scope:
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        else:
            self.ended = not message.get("more_body")
            if self._entry is not None and (self.ended or not self._begun):
                self._entry.note(self._scope, self.status)
            self._begun = True
        await self._send(message)


def _line(scope: Scope, status: int, seconds: float) -> dict[str, Any]:
    """The log's line of a request. `status` is the one that was sent; a stream that fails after it has a `code` too."""
    facts = scope.get("theoryctl.facts", {})
    if traced := scope.get(_TRACEBACK):
        facts = {**facts, "traceback": traced}
    run_id = scope.get("theoryctl.run_id")
    asked = {"run_id": run_id, "method": scope["method"], "path": cut(scope["path"]), "status": status}
    return {"time": time.time(), **asked, "duration_ms": round(seconds * 1000, 3), **facts}
