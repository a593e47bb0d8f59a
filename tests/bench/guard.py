"""The cost of the guard at the provider seam: the CPU time of a mock request with it and without it.

The answer is whole, then streamed.

python -m tests.bench.guard 2000     # rounds; default 2000
"""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

from tests.conftest import REF
from theoryctl.manifests.catalog import Catalog
from theoryctl.refs import ProviderRef
from theoryctl_providers.contract import Event, ProviderConfig, Request, ResolvedRequest
from theoryctl_providers.contract.answer import Answer
from theoryctl_providers.engine import answer_source
from theoryctl_providers.engine.answer_source import Plan
from theoryctl_providers.engine.drive import drive
from theoryctl_providers.engine.execute import execute
from theoryctl_providers.protocol import AtOnce, LLMProvider

#: The share of a request that the guard may cost.
LIMIT = 0.03
#: Requests in one measurement. Few: what else the machine does must not hit one side only.
REQUESTS = 10


def unguarded(provider: LLMProvider, request: ResolvedRequest) -> Plan:
    """The plan for a mock's answer as it would be without a guard."""
    return Plan(partial(unchecked, provider, request), suspends=False, answered_by="mock")


def unchecked(provider: LLMProvider, request: ResolvedRequest, answer: Answer) -> Iterator[Event]:
    """The events of a provider that never waits, added to `answer` as they come."""
    events = provider.stream(request)
    assert isinstance(events, AtOnce)
    for event in events.events:
        answer.add(event)
        yield event


def seconds(request: Request, plan: Callable[[LLMProvider, ResolvedRequest], Plan]) -> float:
    """CPU seconds of one request, from the inputs to the envelope."""
    answer_source._mocked = plan  # type: ignore[assignment]
    began = time.process_time()
    for _ in range(REQUESTS):
        for _event in drive(execute(request)):
            pass
    return (time.process_time() - began) / REQUESTS


def rounds(request: Request, count: int) -> Iterator[tuple[float, float]]:
    """Seconds without and with the guard, one after the other, each first in every second round."""
    guarded = answer_source._mocked
    for number in range(count):
        if number % 2:
            with_guard, without = seconds(request, guarded), seconds(request, unguarded)
        else:
            without, with_guard = seconds(request, unguarded), seconds(request, guarded)
        yield without, with_guard


def main() -> int:
    """Print the guard's share of mock requests; 1 when it is over its limit."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    gc.disable()  # a search for garbage would hit one side, and costs more than the guard
    manifest = Catalog(None).find(ProviderRef.parse(REF)).load()
    config = ProviderConfig(provider=manifest.provider, ref=REF, input_schema=manifest.inputs)
    inputs = {"model": manifest.models.default, **manifest.example}
    over = [_report(Request(config=config, inputs=inputs, streamed=streamed), count) for streamed in (False, True)]
    return int(any(over))


def _report(request: Request, count: int) -> bool:
    found = list(rounds(request, count))
    without = statistics.median(before for before, _ in found)
    share = statistics.median(after - before for before, after in found) / without
    over, kind = share > LIMIT, "streamed" if request.streamed else "whole"
    print(f"{share:8.1%} of a {kind} mock request of {without * 1e6:.0f} µs is the guard (limit {LIMIT:.0%})", end="")
    print("  OVER" * over)
    return over


if __name__ == "__main__":
    sys.exit(main())
