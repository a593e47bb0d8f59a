"""Our own API as a dialect: `POST /v1/run`, its recordings, and `/healthz`."""

from __future__ import annotations

import math
from typing import Any
from urllib.parse import parse_qs

from starlette.types import Receive, Scope

from theoryctl_providers.asgi.connection import header_of
from theoryctl_providers.contract import ERROR_SCHEMA, ERRORS, ProviderError, Tape, dumps, is_mock
from theoryctl_providers.contract.calls import unused_of
from theoryctl_providers.contract.error_redactor import ErrorRedactor, hidden_parts
from theoryctl_providers.contract.wire import NO_RETRIES, RETRIES_HEADER, ServerConfig
from theoryctl_providers.wires.dialect import Dialect
from theoryctl_providers.wires.exchange import Answering, Exchange
from theoryctl_providers.wires.failure import Failure
from theoryctl_providers.wires.reply import Whole
from theoryctl_providers.wires.run.exchange import Run, reads_files
from theoryctl_providers.wires.run.health import Health
from theoryctl_providers.wires.run.hints import in_fields
from theoryctl_providers.wires.run.multipart import receive as receive_call
from theoryctl_providers.wires.telling import Telling
from theoryctl_providers.wires.tenant import tenant_of

_HEALTH = "/healthz"
_RECORDINGS = "/v1/recordings"
_REQUESTS = "/v1/requests"
_UNUSED = "/v1/unused"

#: Digits of a number that counts recordings. Python reads no more than 4,300.
_LONGEST_NUMBER = 18


class RunDialect(Dialect):
    """Runs as documents: inputs in, an envelope or its events out. What no other dialect has is refused in this one."""

    name = "theoryctl"
    example = "POST /v1/run"
    prefixes = ("/", "/v1/run", _RECORDINGS, _REQUESTS, _UNUSED)
    open_paths = frozenset((_HEALTH,))
    kept_paths = frozenset((_RECORDINGS, _REQUESTS, _UNUSED))
    #: It imitates no vendor: what a script says of one is in the envelope.
    plays_faults = False

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self.routes = {
            ("GET", _HEALTH): Health(self, config),
            ("POST", "/v1/run"): Answering(self, config, self._read),
            ("GET", _RECORDINGS): Telling(self, self._recordings),
            ("DELETE", _RECORDINGS): Telling(self, self._forget_recordings),
            ("GET", _REQUESTS): Telling(self, self._requests),
            ("GET", _UNUSED): Telling(self, self._unused),
        }

    def failure(self, failure: Failure) -> Whole:
        """Write the envelope of a run that failed, and `theoryctl.error/v1` for what was no run."""
        status = failure.status or ERRORS[failure.code].http_status
        headers = _retry_after(failure.retry_after)
        if failure.envelope is not None:
            # Whoever asks for a run, the command line too, leaves it to the engine to try again, which it has done. A
            # script's failures are there for clients that do it themselves.
            headers += [] if is_mock(failure.envelope["mode"] or "mock") else [(b"x-should-retry", b"false")]
            return Whole(dumps(in_fields(failure.envelope, failure.renewal)).encode(), status, headers)
        document = {"schema": ERROR_SCHEMA, "status": "error", "error": failure.info}
        return Whole(dumps(document).encode(), status, headers)

    async def _read(self, scope: Scope, receive: Receive) -> Exchange:
        kind = header_of(scope, "content-type") or "application/json"
        default = tenant_of(scope).config.mode
        received = await receive_call(
            kind, receive, self._config.limits, lambda document: reads_files(document, default)
        )
        retries = header_of(scope, RETRIES_HEADER) != NO_RETRIES
        return Run(received, header_of(scope, "accept") or "", retries)

    def _recordings(self, scope: Scope) -> Any:
        """The recorded exchanges that nobody has taken yet, and the number of the newest."""
        kept, upto = _tape_of(scope).kept()
        return {"recordings": [recording.dump() for recording in kept], "upto": upto}

    def _forget_recordings(self, scope: Scope) -> Any:
        """Drop the recordings up to the number `upto`: whoever had them has written them."""
        query = parse_qs(scope["query_string"].decode("latin-1"))
        upto = query.get("upto", [""])[-1]
        if not upto.isdecimal() or len(upto) > _LONGEST_NUMBER:
            raise ProviderError("ERR_USAGE", f"upto {upto!r:.200} is no number", hint="GET /v1/recordings says it")
        _tape_of(scope).forget(int(upto))
        return {}

    def _requests(self, scope: Scope) -> Any:
        """The requests that the mock has answered lately, oldest first, and how many there were before them."""
        tenant = tenant_of(scope)
        config = tenant.config
        if config.mode == "real":
            message = "requests are kept by an instance that answers as a mock, and this one asks vendors"
            raise ProviderError("ERR_UNSUPPORTED_PARAM", message, hint="start it in mock mode")
        hidden = {**config.secrets, **config.hidden, "TOKEN": self._config.token}
        redacted = ErrorRedactor(hidden_parts(hidden)).text
        return {
            "schema": "theoryctl.requests/v1",
            "requests": [entry.document(redacted) for entry in tenant.journal.shown(mocks_alone=config.mock_only)],
            "dropped": tenant.journal.dropped,
        }

    def _unused(self, scope: Scope) -> Any:
        """The rules and recordings that have answered nothing so far."""
        return {"schema": "theoryctl.unused/v1", **unused_of(tenant_of(scope).config)}


def _tape_of(scope: Scope) -> Tape:
    return tenant_of(scope).config.tape or Tape()


def _retry_after(seconds: float | None) -> list[tuple[bytes, bytes]]:
    # Whole seconds are all the standard knows (RFC 9110, section 10.2.3).
    return [] if seconds is None else [(b"retry-after", b"%d" % math.ceil(seconds))]
