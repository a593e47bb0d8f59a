"""Paths of OpenAI's API that a mock alone answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.types import Receive, Scope, Send

from theoryctl_providers.contract import ProviderError, dumps, is_mock, stated_mode
from theoryctl_providers.contract.wire import ServerConfig
from theoryctl_providers.wires.dialect import Dialect
from theoryctl_providers.wires.failure import refused
from theoryctl_providers.wires.mode import MODE_HEADER, mode_of, note_mode
from theoryctl_providers.wires.reply import Reply, Whole
from theoryctl_providers.wires.tenant import asking_tenant

#: Makes the document, or the whole answer, of a request. Raises ProviderError; ClientGone.
Tell = Callable[[Scope, Receive], Awaitable[Any]]

_INSTEAD = f"send the header {MODE_HEADER}: mock, or ask the vendor itself"


class Mocked:
    """The ASGI application that answers a request with the document that `tell` makes of it.

    In real mode it refuses with `ERR_UNSUPPORTED_PARAM`; `instead` says in the hint what to do then.
    """

    def __init__(self, dialect: Dialect, config: ServerConfig, tell: Tell, instead: str = _INSTEAD) -> None:
        self._dialect, self._config, self._tell, self._instead = dialect, config, tell, instead

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._check_mode(scope)
            told = await self._tell(scope, receive)
            answer = told if isinstance(told, Whole) else Whole(dumps(told).encode())
        except ProviderError as error:
            answer = self._dialect.failure(refused(scope, error))
        await Reply(scope, send).whole(answer)

    def _check_mode(self, scope: Scope) -> None:
        tenant, asked = asking_tenant(scope), mode_of(scope)
        config = tenant.config if tenant else self._config.provider
        note_mode(scope, {}, asked, config)
        mode = stated_mode({}, asked, config.mode)
        if not is_mock(mode):
            message = f"{scope['path']} is answered by a mock alone, and this request is in {mode} mode"
            raise ProviderError("ERR_UNSUPPORTED_PARAM", message, hint=self._instead, param="mode")
