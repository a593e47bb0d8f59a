"""Many real calls side by side in one process: threads, tasks, tenants, and what each leaves behind."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.bench.vendor import WORDS
from tests.bench.vendor import vendor as other_process
from tests.real.conftest import CANARY, LITELLM_WARNINGS, OPENAI
from tests.real.vendor import Vendor, stalls_midway
from theoryctl_providers import Delta, Envelope, arun, astream, get_llm_provider, run, stream
from theoryctl_providers.engine.loop import background

pytestmark = [LITELLM_WARNINGS, pytest.mark.usefixtures("litellm", "only_loopback", "foreign_variables")]

INPUTS = {"model": OPENAI, "messages": [{"role": "user", "content": "Say hello."}]}
ANSWER = "Hello there!"

#: CPU seconds for which a caller's loop may have to wait for its turn.
LONGEST_WAIT = 0.3


def told(vendor: Vendor, key: str = CANARY) -> dict[str, Any]:
    """The arguments of a real call of a vendor."""
    return {"provider": "litellm", "mode": "real", "secrets": {"OPENAI_API_KEY": key, **vendor.addresses}}


def text(envelope: Envelope) -> str | None:
    return envelope["outputs"][0].get("text")


def asked(number: int, **options: Any) -> str | None:
    """The answer to one of many calls of a thread: every second one is streamed."""
    if number % 2:
        return text(run(INPUTS, **options))
    return "".join(_texts(list(stream(INPUTS, **options))))


async def asked_in_loop(number: int, **options: Any) -> str | None:
    if number % 2:
        return text(await arun(INPUTS, **options))
    return "".join(_texts([event async for event in astream(INPUTS, **options)]))


async def all_ways(count: int, **options: Any) -> tuple[Counter[str | None], float]:
    """Answers to so many calls from 32 threads and to as many from this loop, and its `longest_wait`."""
    waits = asyncio.create_task(longest_wait())
    with ThreadPoolExecutor(32) as threads:
        elsewhere = [asyncio.wrap_future(threads.submit(asked, number, **options)) for number in range(count)]
        here = [asked_in_loop(number, **options) for number in range(count)]
        found = Counter(await asyncio.gather(*elsewhere, *here))
    waits.cancel()
    return found, await waits


def test_512_calls_from_32_threads_and_a_loop_are_all_answered_and_few_descriptors_stay() -> None:
    with other_process() as secrets:
        asked_for: dict[str, Any] = {"provider": "litellm", "mode": "real", "secrets": secrets}
        run(INPUTS, **asked_for)
        before = len(os.listdir("/proc/self/fd"))
        found, wait = asyncio.run(all_ways(256, **asked_for))
        assert found == {"".join(WORDS): 512}
        assert len(os.listdir("/proc/self/fd")) <= before + 50
    assert wait < LONGEST_WAIT


def test_512_mock_calls_are_answered_as_one_is() -> None:
    alone = text(run(INPUTS))
    found, wait = asyncio.run(all_ways(256))
    assert found == {alone: 512}
    assert wait < LONGEST_WAIT


async def longest_wait() -> float:
    """Return the most CPU seconds that other code of this process took while the loop was due, once cancelled.

    Time in which other processes had the machine counts for nothing.
    """
    longest = 0.0
    try:
        while True:
            begun = time.process_time()
            await asyncio.sleep(0.01)
            longest = max(longest, time.process_time() - begun)
    except asyncio.CancelledError:
        return longest


def test_calls_one_after_the_other_share_a_connection_whatever_they_are_made_from() -> None:
    with Vendor() as vendor:
        for _ in range(3):
            assert text(run(INPUTS, **told(vendor))) == ANSWER
            assert text(asyncio.run(arun(INPUTS, **told(vendor)))) == ANSWER
            assert "".join(_texts(list(stream(INPUTS, **told(vendor))))) == ANSWER
        assert len(vendor.requests) == 9
        assert vendor.connections < 5  # one, or more where the machine is so busy that one is given up as idle


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


COLD = """
import asyncio, sys
from tests.real.test_side_by_side import INPUTS, longest_wait
from theoryctl_providers import arun, astream

async def streamed(**options):
    return [event async for event in astream(INPUTS, **options)][-1].envelope

async def main():
    secrets = {"OPENAI_API_KEY": "key", "OPENAI_BASE_URL": sys.argv[1]}
    waits = asyncio.create_task(longest_wait())
    for ask in (streamed, lambda **options: arun(INPUTS, **options)):
        envelope = await ask(provider="litellm", mode="real", secrets=secrets)
    waits.cancel()
    reader = "litellm.litellm_core_utils.default_encoding"  # of a list of 100,000 tokens
    print(envelope["status"], "litellm" in sys.modules, reader in sys.modules, await waits)
    print(sys.modules["litellm"].token_counter(model="gpt-4o-mini", text="Say hello."))

asyncio.run(main())
"""


def test_a_callers_loop_goes_on_while_litellm_is_loaded_and_first_asked() -> None:
    with Vendor() as vendor:
        command = [sys.executable, "-c", COLD, f"{vendor.url}/v1"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    status, loaded, reads_tokens, wait, counted = done.stdout.split()
    assert (status, loaded, reads_tokens) == ("success", "True", "False")
    assert float(wait) < LONGEST_WAIT
    assert int(counted) == 3  # for others, LiteLLM counts as ever


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
