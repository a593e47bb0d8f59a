"""Paths of OpenAI's API that a mock alone answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.types import Receive, Scope, Send

from theoryctl_providers.contract import ProviderError, dumps, is_mock, stated_mode
from theoryctl_providers.contract.wire import ServerConfig
from theoryctl_providers.wires.dialect import Dialect
from theoryctl_providers.wires.exchange import MODE_HEADER, json_object, mode_of
from theoryctl_providers.wires.failure import refused
from theoryctl_providers.wires.reply import Reply, Whole


class Mocked:
    """The ASGI application that answers a body with the document that `tell` makes of it.

    In real mode it refuses with `ERR_UNSUPPORTED_PARAM`.
    """

    def __init__(self, dialect: Dialect, config: ServerConfig, tell: Callable[[Mapping[str, Any]], Any]) -> None:
        self._dialect, self._config, self._tell = dialect, config, tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._check_mode(scope)
            body = await json_object(receive, self._config.limits)
            answer = Whole(dumps(self._tell(body)).encode())
        except ProviderError as error:
            answer = self._dialect.failure(refused(error))
        await Reply(scope, send).whole(answer)

    def _check_mode(self, scope: Scope) -> None:
        mode = stated_mode({}, mode_of(scope), self._config.provider.mode)
        if not is_mock(mode):
            message = f"{scope['path']} is answered by a mock alone, and this request is in {mode} mode"
            hint = f"send the header {MODE_HEADER}: mock, or ask the vendor itself"
            raise ProviderError("ERR_UNSUPPORTED_PARAM", message, hint=hint, param="mode")
