"""A provider under test, and its answers: here and in new processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import aclosing
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, TypeVar

from theoryctl_providers.blame import blamed
from theoryctl_providers.conformance.bounded import bounded
from theoryctl_providers.contract import (
    Envelope,
    Event,
    Mode,
    Operation,
    ProviderConfig,
    Request,
    Result,
    dumps,
    loads,
    secret_names,
)
from theoryctl_providers.engine.execute import execute, prepared
from theoryctl_providers.protocol import LLMProvider

#: A value of each secret in one of two processes: a mock's answer must not depend on it.
_CANARY = "theoryctl-canary-4f1d8c2b7a90"
#: Hash seed of each process, and the value of the secrets in its environment.
PROCESSES = (("1", None), ("2", _CANARY))
#: Seconds after its time in which a call that is cancelled may end by itself.
_GRACE = 1.0
#: Events of an answer, and those after which others have their turn.
_MOST, _TURN = 500_000, 256
_T = TypeVar("_T")


class Skipped(Exception):
    """A check that cannot be made, and why."""


class Failed(Exception):
    """A rule that is broken, and by what."""


class Subject:
    """A provider under test, and its answers so far.

    `seconds` is the time for each answer, without an end by default. `mocked` and `real` have one item for each of the
    inputs.
    """

    def __init__(
        self,
        config: ProviderConfig,
        inputs: list[Mapping[str, Any]],
        vendor: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> None:
        self.config, self.inputs, self.vendor, self.seconds = config, inputs, vendor, seconds
        self.provider: LLMProvider | None = None
        self.mocked: list[Envelope] = []
        self.real: list[list[Event]] = []

    @property
    def found(self) -> LLMProvider:
        """The provider. Raises Skipped where the look-up refused its class."""
        if self.provider is None:
            raise Skipped("the class is refused")
        return self.provider

    @cached_property
    def elsewhere(self) -> list[Any]:
        """The answers of two new processes in mock mode, and the connections that were opened there."""
        # A process that is ended may leave others, which hold its standard error open.
        return [self.within_time(partial(_in_a_process, self, seed, secret)) for seed, secret in PROCESSES]

    def request(
        self, inputs: Mapping[str, Any], mode: Mode, *, streamed: bool = True, operation: Operation = "chat"
    ) -> Request:
        """Return the request for these inputs; the vendor's keys are in that of real mode alone."""
        secrets = dict(self.vendor or {}) if mode == "real" else {}
        config = replace(self.config, mode=mode, secrets=secrets)
        return Request(config=config, inputs=inputs, mode=mode, streamed=streamed, operation=operation)

    def ask(
        self, inputs: Mapping[str, Any], mode: Mode, *, streamed: bool = True, operation: Operation = "chat"
    ) -> list[Event]:
        """All events of one answer; the provider is closed after it, as after a run."""
        self.prepare(mode)
        return self.await_within_time(self._answer(self.request(inputs, mode, streamed=streamed, operation=operation)))

    def prepare(self, mode: Mode) -> None:
        """Prepare the provider, where no event loop runs yet. Raises TimeoutError."""
        provider = self.found
        self.within_time(lambda: prepared(provider, mode))

    def within_time(self, work: Callable[[], _T]) -> _T:
        """Call a function. Raises TimeoutError where it does not end, whatever it does."""
        return work() if self.seconds is None else bounded(work, self.seconds + _GRACE)

    def await_within_time(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine in an event loop of its own. Raises TimeoutError."""
        import asyncio

        from theoryctl_providers.engine.loop import run_through

        def run() -> _T:
            with asyncio.Runner() as runner:
                return run_through(runner, asyncio.wait_for(work, self.seconds))

        return self.within_time(run)

    async def _answer(self, request: Request) -> list[Event]:
        come: list[Event] = []
        try:
            async with aclosing(execute(request)) as events:
                async for event in events:
                    come.append(event)
                    await _give_way(len(come))
        finally:
            with blamed(self.found, "aclose"):
                await self.found.aclose()
        return come

    def modes(self) -> tuple[Mode, ...]:
        """The modes that can be asked."""
        return ("mock",) if self.vendor is None else ("mock", "real")


async def _give_way(number: int) -> None:
    """Let the clock of the event loop have its turn at times: an answer that never waits may have no end."""
    import asyncio

    if number > _MOST:
        raise Failed(f"no end within {_MOST:,} events")
    if number % _TURN == 0:
        await asyncio.sleep(0)


def result_of(events: list[Event]) -> Envelope:
    """Return the envelope that ends an answer."""
    (envelope,) = (event.envelope for event in events if isinstance(event, Result))
    return envelope


def _in_a_process(subject: Subject, seed: str, secret: str | None) -> Any:
    """The answers of a new process in mock mode, and the connections that it tried to open."""
    import subprocess

    config = subject.config
    fields = ("provider", "default_model", "input_schema", "output_schema")
    document = {"config": {name: getattr(config, name) for name in fields}, "inputs": subject.inputs}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "theoryctl_providers.conformance"],
            input=dumps(document).encode(),
            capture_output=True,
            env=_environment(subject, seed, secret),
            timeout=subject.seconds,
        )
    except subprocess.TimeoutExpired:
        raise TimeoutError from None
    if done.returncode:
        raise Failed(f"a new process failed: {done.stderr.decode(errors='replace').strip()[-500:]}")
    return loads(done.stdout, what="the answers")


def _environment(subject: Subject, seed: str, secret: str | None) -> dict[str, str]:
    """The environment of a new process: each of the provider's secrets has this value, or is unset."""
    names = secret_names(subject.config.secret_rules or subject.found.secret_rules)
    kept = {name: value for name, value in os.environ.items() if name not in names}
    path = os.pathsep.join(path or os.getcwd() for path in sys.path)
    return {**kept, **(dict.fromkeys(names, secret) if secret else {}), "PYTHONHASHSEED": seed, "PYTHONPATH": path}
