"""Our own API as a dialect: `POST /v1/run`, its recordings, and `/healthz`."""

from __future__ import annotations

import math
from typing import Any
from urllib.parse import parse_qs

from starlette.types import Receive, Scope

from theoryctl_providers.asgi.connection import header_of
from theoryctl_providers.asgi.hints import in_fields
from theoryctl_providers.contract import ERROR_SCHEMA, ERRORS, ProviderError, Tape, dumps, is_mock
from theoryctl_providers.contract.wire import NO_RETRIES, RETRIES_HEADER, ServerConfig
from theoryctl_providers.wires.dialect import Dialect
from theoryctl_providers.wires.exchange import Answering, Exchange
from theoryctl_providers.wires.failure import Failure
from theoryctl_providers.wires.reply import Whole
from theoryctl_providers.wires.run.exchange import Run, reads_files
from theoryctl_providers.wires.run.health import Health
from theoryctl_providers.wires.run.multipart import receive as receive_call
from theoryctl_providers.wires.telling import Telling

_HEALTH = "/healthz"
_RECORDINGS = "/v1/recordings"

#: Digits of a number that counts recordings. Python reads no more than 4,300.
_LONGEST_NUMBER = 18


class RunDialect(Dialect):
    """Runs as documents: inputs in, an envelope or its events out. What no other dialect has is refused in this one."""

    name = "theoryctl"
    example = "POST /v1/run"
    prefixes = ("/", "/v1/run", _RECORDINGS)
    open_paths = frozenset((_HEALTH,))
    #: It imitates no vendor: what a script says of one is in the envelope.
    plays_faults = False

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._tape = config.provider.tape or Tape()
        self.routes = {
            ("GET", _HEALTH): Health(self, config),
            ("POST", "/v1/run"): Answering(self, config, self._read),
            ("GET", _RECORDINGS): Telling(self, self._recordings),
            ("DELETE", _RECORDINGS): Telling(self, self._forget_recordings),
        }

    def failure(self, failure: Failure) -> Whole:
        """Write the envelope of a run that failed, and `theoryctl.error/v1` for what was no run."""
        status = failure.status or ERRORS[failure.code].http_status
        if failure.envelope is not None:
            headers = _retry_after(failure.cause.retry_after)
            # Whoever asks for a run, the command line too, leaves it to the engine to try again, which it has done. A
            # script's failures are there for clients that do it themselves.
            headers += [] if is_mock(failure.envelope["mode"] or "mock") else [(b"x-should-retry", b"false")]
            return Whole(dumps(in_fields(failure.envelope)).encode(), status, headers)
        headers = _retry_after(1 if failure.code in ("ERR_OVERLOADED", "ERR_NOT_RUNNING") else None)
        document = {"schema": ERROR_SCHEMA, "status": "error", "error": failure.info}
        return Whole(dumps(document).encode(), status, headers)

    async def _read(self, scope: Scope, receive: Receive) -> Exchange:
        kind = header_of(scope, "content-type") or "application/json"
        default = self._config.provider.mode
        received = await receive_call(
            kind, receive, self._config.limits, lambda document: reads_files(document, default)
        )
        retries = header_of(scope, RETRIES_HEADER) != NO_RETRIES
        return Run(received, header_of(scope, "accept") or "", retries)

    def _recordings(self, _scope: Scope) -> Any:
        """The recorded exchanges that nobody has taken yet, and the number of the newest."""
        kept, upto = self._tape.kept()
        return {"recordings": [recording.dump() for recording in kept], "upto": upto}

    def _forget_recordings(self, scope: Scope) -> Any:
        """Drop the recordings up to the number `upto`: whoever had them has written them."""
        query = parse_qs(scope["query_string"].decode("latin-1"))
        upto = query.get("upto", [""])[-1]
        if not upto.isdecimal() or len(upto) > _LONGEST_NUMBER:
            raise ProviderError("ERR_USAGE", f"upto {upto!r:.200} is no number", hint="GET /v1/recordings says it")
        self._tape.forget(int(upto))
        return {}


def _retry_after(seconds: float | None) -> list[tuple[bytes, bytes]]:
    # Whole seconds are all the standard knows (RFC 9110, section 10.2.3).
    return [] if seconds is None else [(b"retry-after", b"%d" % math.ceil(seconds))]
