"""The cost of a plain real call: CPU time of `engine.execute` against `litellm.acompletion` alone, in turns.

Then that of the newest LiteLLM, or of one that is named, in a venv of its own below `.bench`, against the one that this
Python has. The vendor is another process and gives whole answers.

python -m tests.bench.real 15               # rounds; default 15
python -m tests.bench.real 15 1.109.0       # against this release, whether it is newer or not
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.bench.alone import MESSAGES, MODEL, ask
from tests.bench.peers import BIN, VENVS
from tests.bench.server import ROOT
from tests.bench.vendor import vendor
from theoryctl_providers.contract import ProviderConfig, Request, Result
from theoryctl_providers.engine.execute import execute
from theoryctl_providers.litellm.loading import import_litellm

#: CPU time of a call as a multiple of LiteLLM's alone, and of the newest LiteLLM's as one of that of ours.
LIMIT, NEWER_LIMIT = 1.25, 1.1
#: Calls in one measurement, one after the other.
CALLS = 100

#: The newest that may run: 1.107.* was compromised.
NEWEST = "litellm!=1.107.*"

Call = Callable[[], Awaitable[Any]]


async def seconds(call: Call) -> float:
    """CPU seconds of one call."""
    gc.collect()  # what the other left behind is not this one's
    began = time.process_time()
    for _ in range(CALLS):
        await call()
    return (time.process_time() - began) / CALLS


async def measure(secrets: dict[str, str], rounds: int) -> list[tuple[float, float]]:
    """Seconds of LiteLLM's call alone and of ours, one after the other, each first in every second round."""
    litellm = import_litellm()
    config = ProviderConfig(provider="litellm", mode="real", secrets=secrets)

    async def alone() -> None:
        await ask(litellm, secrets["OPENAI_BASE_URL"], secrets["OPENAI_API_KEY"])

    async def ours() -> None:
        inputs = {"model": MODEL, "messages": MESSAGES}
        async for event in execute(Request(config=config, inputs=inputs, mode="real", streamed=False)):
            assert not isinstance(event, Result) or event.cause is None, event

    found = []
    for number in range(rounds + 1):
        if number % 2:
            theirs, mine = await seconds(alone), await seconds(ours)
        else:
            mine, theirs = await seconds(ours), await seconds(alone)
        found.append((theirs, mine))
    return found[1:]  # the first one warms up


def installed(release: str | None = None) -> Path:
    """Install a LiteLLM, by default the newest that may run; the Python that has it. Raises CalledProcessError."""
    folder = VENVS / f"litellm-{release or 'newest'}"
    if not folder.exists():
        subprocess.run([BIN / "uv", "venv", "--quiet", folder], check=True)
    uv: list[str | Path] = [BIN / "uv", "pip", "install", "--quiet", "--upgrade", "--python", folder / "bin" / "python"]
    subprocess.run([*uv, f"litellm=={release}" if release else NEWEST], check=True)
    return folder / "bin" / "python"


def alone(python: str | Path, secrets: dict[str, str], calls: int = CALLS) -> tuple[float, str]:
    """Milliseconds of CPU for a call of LiteLLM in a process of its own, and its version."""
    told = [secrets["OPENAI_BASE_URL"], secrets["OPENAI_API_KEY"], str(calls)]
    command: list[str | Path] = [python, "-m", "tests.bench.alone", *told]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    spent, found = done.stdout.split()[-2:]
    return float(spent), found


def newer(
    secrets: dict[str, str], rounds: int, release: str | None = None, calls: int = CALLS
) -> tuple[float, str] | None:
    """The cost of a call with the newest LiteLLM as a multiple of that with ours, and its version; None for none.

    A `release` that is named is compared even where it is older.
    """
    python = installed(release)
    _, found = alone(python, secrets, 1)
    if release is None and _numbers(found) <= _numbers(version("litellm")):
        return None
    pairs = [(alone(sys.executable, secrets, calls)[0], alone(python, secrets, calls)[0]) for _ in range(rounds)]
    return statistics.median(new / old for old, new in pairs), found


def _numbers(release: str) -> list[int]:
    return [int(part) for part in release.split(".") if part.isdecimal()]


def main() -> int:
    """Print the ratios; 1 when one is over its limit."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    release = sys.argv[2] if len(sys.argv) > 2 else None
    with vendor() as secrets:
        found = asyncio.run(measure(secrets, rounds))
        compared = newer(secrets, max(1, rounds // 3), release)
    theirs, ratio = statistics.median(a for a, _ in found), statistics.median(b / a for a, b in found)
    over = [_report(ratio, LIMIT, f"litellm.acompletion alone, {theirs * 1e3:.2f} ms CPU")]
    if compared is None:
        print(f"{'-':>8}   no LiteLLM is newer than {version('litellm')}")
    else:
        over.append(_report(compared[0], NEWER_LIMIT, f"LiteLLM {version('litellm')} is what {compared[1]} costs"))
    return int(any(over))


def _report(ratio: float, limit: float, what: str) -> bool:
    over = ratio > limit
    print(f"{ratio:8.2f} x {what} (limit {limit:g}){'  OVER' * over}")
    return over


if __name__ == "__main__":
    sys.exit(main())
