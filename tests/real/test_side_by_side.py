"""Many real calls side by side in one process: threads, tasks, tenants, and what each leaves behind."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.real.conftest import CANARY, LITELLM_WARNINGS, OPENAI
from tests.real.vendor import Vendor, stalls_midway
from theoryctl_providers import Delta, Envelope, arun, astream, get_llm_provider, run, stream
from theoryctl_providers.engine.loop import background

pytestmark = [LITELLM_WARNINGS, pytest.mark.usefixtures("litellm", "only_loopback", "foreign_variables")]

INPUTS = {"model": OPENAI, "messages": [{"role": "user", "content": "Say hello."}]}
ANSWER = "Hello there!"


def told(vendor: Vendor, key: str = CANARY) -> dict[str, Any]:
    """The arguments of a real call of a vendor."""
    return {"provider": "litellm", "mode": "real", "secrets": {"OPENAI_API_KEY": key, **vendor.addresses}}


def text(envelope: Envelope) -> str | None:
    return envelope["outputs"][0].get("text")


def test_every_call_of_many_threads_is_answered_and_few_connections_stay() -> None:
    with Vendor() as vendor, ThreadPoolExecutor(8) as threads:
        run(INPUTS, **told(vendor))
        before = len(os.listdir("/proc/self/fd"))
        calls = [threads.submit(run, INPUTS, **told(vendor)) for _ in range(8 * 16)]
        assert Counter(text(call.result()) for call in calls) == {ANSWER: 8 * 16}
        assert len(os.listdir("/proc/self/fd")) <= before + 2 * 8  # both ends of a connection are here


def test_calls_of_tasks_and_threads_together_are_answered_and_their_loop_goes_on() -> None:
    async def ask(vendor: Vendor) -> tuple[list[Envelope], float]:
        waits = asyncio.create_task(_longest_wait())
        here = [arun(INPUTS, **told(vendor)) for _ in range(32)]
        elsewhere = [asyncio.to_thread(run, INPUTS, **told(vendor)) for _ in range(32)]
        envelopes = await asyncio.gather(*here, *elsewhere)
        waits.cancel()
        return envelopes, await waits

    with Vendor() as vendor:
        envelopes, wait = asyncio.run(ask(vendor))
    assert Counter(map(text, envelopes)) == {ANSWER: 64}
    assert wait < 0.3


async def _longest_wait() -> float:
    longest = 0.0
    try:
        while True:
            begun = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - begun)
    except asyncio.CancelledError:
        return longest


def test_calls_one_after_the_other_share_a_connection_whatever_they_are_made_from() -> None:
    with Vendor() as vendor:
        for _ in range(3):
            assert text(run(INPUTS, **told(vendor))) == ANSWER
            assert text(asyncio.run(arun(INPUTS, **told(vendor)))) == ANSWER
            assert "".join(_texts(list(stream(INPUTS, **told(vendor))))) == ANSWER
        assert (len(vendor.requests), vendor.connections) == (9, 1)


def _texts(events: list[Any]) -> list[str]:
    return [event.text for event in events if isinstance(event, Delta) and event.text]


def test_a_call_leaves_the_process_as_it_was(litellm: Any) -> None:
    def state() -> tuple[Any, ...]:
        plain = {name: repr(value) for name, value in vars(litellm).items() if isinstance(value, (str, bool, int))}
        return dict(os.environ), list(sys.path), plain, len(litellm.model_cost)

    with Vendor() as vendor:
        run(INPUTS, **told(vendor))
        before = state()
        secrets = {"DEEPSEEK_API_KEY": CANARY, "DEEPSEEK_API_BASE": f"{vendor.url}/v1", "AWS_REGION": "eu-1"}
        run({**INPUTS, "model": "deepseek/deepseek-chat"}, provider="litellm", mode="real", secrets=secrets)
        assert vendor.requests[-1].headers["authorization"] == f"Bearer {CANARY}"
        assert state() == before


def test_the_keys_of_two_tenants_never_meet() -> None:
    keys = ["key-of-the-first-tenant", "key-of-the-second-tenant"]
    with Vendor() as first, Vendor() as second, ThreadPoolExecutor(8) as threads:
        tenants = list(zip((first, second), keys, strict=True))
        calls = [threads.submit(run, INPUTS, **told(vendor, key)) for _ in range(16) for vendor, key in tenants]
        assert {text(call.result()) for call in calls} == {ANSWER}
        for vendor, key in tenants:
            assert {request.headers["authorization"] for request in vendor.requests} == {f"Bearer {key}"}


def test_who_leaves_a_stream_hangs_up_and_may_ask_again() -> None:
    async def leave(vendor: Vendor) -> None:
        async for event in astream(INPUTS, **told(vendor)):
            if isinstance(event, Delta):
                break

    with Vendor(stalls_midway) as silent, Vendor() as vendor:
        events = stream(INPUTS, **told(silent))
        assert next(event.text for event in events if isinstance(event, Delta)) == "Hel"
        events.close()
        asyncio.run(leave(silent))
        assert text(run(INPUTS, **told(vendor))) == ANSWER


def test_a_provider_that_was_closed_may_be_asked_again() -> None:
    provider = get_llm_provider("litellm")
    with Vendor() as vendor:
        for _ in range(2):
            assert text(run(INPUTS, **told(vendor))) == ANSWER
            asyncio.run_coroutine_threadsafe(provider.aclose(), background().loop).result(10)
