"""Several prompts of one `POST /v1/completions`: each is a run of its own, and all of them are one answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import asdict, replace
from typing import Any

from theoryctl_providers.contract import (
    Annotation,
    Delta,
    Event,
    Finish,
    Output,
    Request,
    Result,
    Started,
    Usage,
)
from theoryctl_providers.contract.answer import Answer
from theoryctl_providers.contract.envelope import new_run_id
from theoryctl_providers.engine.drive import served

#: The counts of a usage.
_COUNTS = tuple(asdict(Usage()))


async def answers_to(call: Request, messages: Sequence[Any]) -> AsyncGenerator[Event]:
    """Yield the events of the runs for each of `messages` as those of one run: choices are counted on, and usage is the
    sum. The first run that fails ends them all.

    Once a vendor was paid for one of them, the others are retried here: a client that tries again would pay twice.
    """
    together = _Together()
    for message in messages:
        inputs = {**call.inputs, "messages": [message]}
        run_id = call.run_id if together.result is None else new_run_id()
        one = replace(call, inputs=inputs, run_id=run_id, retries=call.retries or together.is_paid)
        async with aclosing(served(one)) as events:
            async for event in events:
                if (told := together.told(event)) is not None:
                    yield told
        if together.failed:
            break
    for event in together.ending():
        yield event


class _Together:
    """The answers of several runs. `result` is that of the last one that ended; `is_paid`: a vendor answered one."""

    def __init__(self) -> None:
        self.result: Result | None = None
        self.is_paid = False
        self._paid: Any = 0
        self._answer, self._before = Answer(), 0
        self._counts: dict[str, Any] = dict.fromkeys(_COUNTS, 0)

    @property
    def failed(self) -> bool:
        """True once a run has failed."""
        return self.result is not None and self.result.cause is not None

    def told(self, event: Event) -> Event | None:
        """Return the event as one of all runs; None for one that is about its own run alone."""
        if isinstance(event, Result):
            self._take(event)
            return None
        if isinstance(event, Usage | Output):  # the sum comes at the end, and this API has no place for outputs
            return None
        if isinstance(event, Started):
            # The first may not wait, but a later one, as a script wants it.
            return replace(event, suspends=True) if self.result is None else None
        if isinstance(event, Delta | Annotation | Finish):
            return replace(event, choice=event.choice + self._before)
        return event

    def _take(self, result: Result) -> None:
        self.result, answer = result, result.answer or Answer()
        self._answer.choices |= {self._before + index: choice for index, choice in answer.choices.items()}
        self._answer.vendor = self._answer.vendor or answer.vendor
        self._before = 1 + max(self._answer.choices, default=-1)
        counts = asdict(answer.usage)
        self._counts = {name: _sum(self._counts[name], counts[name]) for name in _COUNTS}
        if result.envelope["mode"] == "real":
            self._paid = _sum(self._paid, answer.usage.cost_usd)
            self.is_paid = self.is_paid or result.cause is None

    def ending(self) -> Iterator[Event]:
        """Yield the usage of all, and the last run's result with all answers; of a run that failed, its result."""
        assert self.result is not None
        envelope = self._envelope(self.result.envelope)
        if self.failed:
            yield replace(self.result, envelope=envelope)
            return
        self._answer.usage = usage = Usage(**envelope["usage"])
        yield usage
        yield replace(self.result, envelope=envelope, answer=self._answer)

    def _envelope(self, last: Any) -> Any:
        """The last run's envelope as one of all runs.

        Where a vendor was paid for some, the others, which recordings answered, cost nothing; and where one failed,
        nobody is told to pay for these once more.
        """
        if not self.is_paid:
            return {**last, "usage": self._counts}
        error = last["error"] and {**last["error"], "retryable": False}
        return {**last, "mode": "real", "usage": {**self._counts, "cost_usd": self._paid}, "error": error}


def _sum(one: Any, other: Any) -> Any:
    return None if one is None or other is None else one + other
