"""`GET /healthz`: whether a server takes requests, and with `?nonce=` the proof that it holds its token."""

from __future__ import annotations

import re
import time
from typing import Any
from urllib.parse import parse_qs

from starlette.types import Receive, Scope, Send

from theoryctl_providers.asgi.connection import DRAINING
from theoryctl_providers.contract import VERSION, ProviderError, dumps, healthz_proof
from theoryctl_providers.contract.proof import NONCE_LENGTH
from theoryctl_providers.contract.wire import ServerConfig
from theoryctl_providers.wires.dialect import Dialect
from theoryctl_providers.wires.failure import refused
from theoryctl_providers.wires.reply import Reply, Whole

_NONCE = re.compile(rf"[0-9a-f]{{{NONCE_LENGTH}}}", re.ASCII)


class Health:
    """The application that answers; a server is ready until it drains."""

    def __init__(self, dialect: Dialect, config: ServerConfig) -> None:
        self._dialect, self._config = dialect, config
        self._started = time.monotonic()

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer with a document, or refuse a nonce that is none."""
        try:
            answer = Whole(dumps({**self._facts(scope), **self._proof(scope)}).encode())
        except ProviderError as error:
            answer = self._dialect.failure(refused(scope, error))
        await Reply(scope, send).whole(answer)

    def _facts(self, scope: Scope) -> dict[str, Any]:
        provider, draining = self._config.provider, bool(scope.get(DRAINING))
        uptime = round(time.monotonic() - self._started, 3)
        facts = {"ref": provider.ref, "provider": provider.provider, "mode": provider.mode, "version": VERSION}
        return {"ready": not draining, "draining": draining, **facts, "uptime_s": uptime}

    def _proof(self, scope: Scope) -> dict[str, Any]:
        nonces = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True).get("nonce")
        if nonces is None:
            return {}
        if not _NONCE.fullmatch(nonces[-1]):
            message = (
                f"nonce: expected {NONCE_LENGTH} hexadecimal digits in lower case, got {len(nonces[-1])} characters"
            )
            raise ProviderError("ERR_USAGE", message, hint="send as many random digits")
        port = scope["server"][1]
        return {"proof": healthz_proof(self._config.token, nonces[-1], port), "port": port}
