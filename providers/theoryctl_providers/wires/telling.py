"""Answers of a dialect for which nobody asks the engine: lists of models, versions, recordings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.types import Receive, Scope, Send

from theoryctl_providers.contract import ProviderError, dumps
from theoryctl_providers.wires.dialect import Dialect
from theoryctl_providers.wires.failure import refused
from theoryctl_providers.wires.reply import Reply, Whole


class Telling:
    """The ASGI application that answers with a document, or with the ProviderError that `tell` raises."""

    def __init__(self, dialect: Dialect, tell: Callable[[Scope], Any]) -> None:
        self._dialect, self._tell = dialect, tell

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        try:
            answer = Whole(dumps(self._tell(scope)).encode())
        except ProviderError as error:
            answer = self._dialect.failure(refused(scope, error))
        await Reply(scope, send).whole(answer)
