"""Peers of a batch, each in the Python that has it: `litellm.acompletion` alone, and curator.

python -m tests.bench.batch_peers litellm LINES OUT CONCURRENCY

It prints the seconds of its CPU and of the clock from the first call to the last answer, and the answers that it got.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: As in theoryctl's own calls: nothing is fetched.
QUIET = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_OFFLINE_MODE": "True", "LITELLM_LOG": "CRITICAL"}


async def alone(lines: list[dict[str, Any]], out: Path, concurrency: int) -> int:
    """Ask all lines with so many calls at the same time, and write each answer as it comes."""
    import litellm

    waiting, good = iter(lines), 0
    where = {"api_base": os.environ["OPENAI_BASE_URL"], "api_key": os.environ["OPENAI_API_KEY"], "max_retries": 0}
    with out.open("w") as file:

        async def work() -> None:
            nonlocal good
            for line in waiting:
                answer = await litellm.acompletion(**line, **where)
                file.write(json.dumps(answer.model_dump()) + "\n")
                good += 1

        await asyncio.gather(*(work() for _ in range(concurrency)))
    return good


def with_litellm(lines: list[dict[str, Any]], out: Path, concurrency: int) -> int:
    """Warm up, which is not measured, and ask."""
    asyncio.run(alone(lines[:concurrency], out, concurrency))
    return measured(lambda: asyncio.run(alone(lines, out, concurrency)))


def with_curator(lines: list[dict[str, Any]], out: Path, concurrency: int) -> int:
    """Ask with curator's own client, without its cache and its display."""
    from importlib import import_module

    curator, datasets = import_module("bespokelabs.curator"), import_module("datasets")

    class Ask(curator.LLM):  # type: ignore[misc,name-defined]  # curator is not there where this is checked
        def prompt(self, row: dict[str, Any]) -> str:
            return str(row["prompt"])

        def parse(self, row: dict[str, Any], answer: str) -> dict[str, Any]:
            return {"answer": answer}

    limits = {"max_requests_per_minute": 10**7, "max_tokens_per_minute": 10**10, "max_concurrent_requests": concurrency}
    ask = Ask(
        model_name=lines[0]["model"].partition("/")[2],
        backend="openai",
        backend_params={**limits, "base_url": os.environ["OPENAI_BASE_URL"], "require_all_responses": True},
    )
    prompts = datasets.Dataset.from_list([{"prompt": line["messages"][0]["content"]} for line in lines])

    def asked() -> int:
        answers = ask(prompts)
        found = getattr(answers, "dataset", answers)
        out.write_text("".join(json.dumps(dict(row)) + "\n" for row in found))
        return len(found)

    return measured(asked)


def measured(ask: Callable[[], int]) -> int:
    """Call a function, and print what it cost."""
    cpu, clock = time.process_time(), time.perf_counter()
    good = ask()
    print(time.process_time() - cpu, time.perf_counter() - clock, good)
    return good


PEERS = {"litellm": with_litellm, "curator": with_curator}


if __name__ == "__main__":
    os.environ |= QUIET
    read = [json.loads(line) for line in Path(sys.argv[2]).read_text().splitlines()]
    PEERS[sys.argv[1]](read, Path(sys.argv[3]), int(sys.argv[4]))
