"""The CPU time of a call of `litellm.acompletion`, with whatever LiteLLM this Python has.

Told the address of a vendor, the key and the number of calls, it prints milliseconds, and the version.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from importlib.metadata import version
from typing import Any

MODEL = "openai/gpt-4o-mini"
MESSAGES = [{"role": "user", "content": "Say hello."}]
WARMUP = 20


async def ask(litellm: Any, address: str, key: str) -> None:
    """One call, whole."""
    await litellm.acompletion(model=MODEL, messages=MESSAGES, max_retries=0, api_base=address, api_key=key)


async def seconds(address: str, key: str, calls: int) -> float:
    """CPU seconds of a call, once LiteLLM is warm."""
    import litellm

    for _ in range(WARMUP):
        await ask(litellm, address, key)
    began = time.process_time()
    for _ in range(calls):
        await ask(litellm, address, key)
    return (time.process_time() - began) / calls


if __name__ == "__main__":
    # As in theoryctl's own calls: nothing is fetched.
    os.environ |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_OFFLINE_MODE": "True", "LITELLM_LOG": "CRITICAL"}
    found = asyncio.run(seconds(sys.argv[1], sys.argv[2], int(sys.argv[3])))
    print(found * 1e3, version("litellm"))
