"""The embedded runtime: the provider runs inside this very process."""

from __future__ import annotations

from collections.abc import Generator

from theoryctl_providers.contract import Event, Request


class EmbeddedRuntime:
    """Nothing to start, nothing left behind; a real run loads LiteLLM anew each time."""

    def __init__(self, code: tuple[str, ...]) -> None:
        self._code = code

    def invoke(self, request: Request) -> Generator[Event]:
        """The events of one request as they come, the last one a `Result`. Closing the generator cancels the call."""
        import sys

        sys.path[:0] = self._code  # as PYTHONPATH does it in the other runtimes
        from theoryctl_providers.engine.drive import drive
        from theoryctl_providers.engine.execute import execute
        from theoryctl_providers.lookup import get_llm_provider

        async def cleanup() -> None:
            await get_llm_provider(request.config.provider).aclose()

        yield from drive(execute(request), cleanup)
