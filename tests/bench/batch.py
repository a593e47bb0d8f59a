"""The cost of a batch: of a mock line, of a real one beside peers, of many lines, of a resume, and of kill -9.

Peers get the same lines and the same number of calls at the same time, in turns: `litellm.acompletion` alone with the
LiteLLM of this Python, and curator in a venv of its own below `.bench`.

python -m tests.bench.batch 3        # rounds; default 3
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench.peers import BIN, VENVS
from tests.bench.server import ROOT
from tests.bench.vendor import vendor

REF = "llm/litellm@1"
MODEL = "openai/gpt-4o-mini"
#: Lines of a measurement against a vendor, and calls at the same time.
LINES, CONNECTIONS = 2000, 64
#: Lines of a mock, few and many: what a start costs counts in neither.
FEW, MANY = 5_000, 100_000
CURATOR = "bespokelabs-curator==0.1.31"

#: Seconds before each answer of a vendor that is far.
LATENCY = 0.2


@dataclass(frozen=True)
class Bar:
    """A promise: a figure of at most, or at least, `limit`."""

    what: str
    limit: float
    unit: str = ""
    at_least: bool = False

    def report(self, value: float) -> bool:
        """Print the figure; True where the promise is broken."""
        broken = value < self.limit if self.at_least else value > self.limit
        sign = ">=" if self.at_least else "<="
        print(f"{value:10.3f}  {self.what} ({sign} {self.limit:g}{self.unit}){'  MISSED' * broken}", flush=True)
        return broken


MOCK_CPU = Bar("ms CPU a mock line", 0.2)
MOCK_RATE = Bar("mock lines a second of CPU", 5_000, at_least=True)
MOCK_RSS = Bar("MiB for 100,000 mock lines", 80)
RESUME = Bar("seconds of CPU to find 100,000 lines done", 3)
REAL_CPU = Bar("x the CPU of litellm.acompletion alone", 1.15)
REAL_RSS = Bar("MiB for real lines", 300)
REAL_RATE = Bar(f"x the rate of litellm.acompletion alone, with {LATENCY} s of latency", 0.95, at_least=True)
LOST = Bar("lines lost to kill -9 at 20 moments", 0)
AGAIN = Bar("calls beyond those in flight when it was killed", 0)


@dataclass(frozen=True)
class Spent:
    """CPU seconds, seconds of the clock, and MiB of a process, with what it printed."""

    cpu: float
    clock: float
    rss: float
    out: str


def spend(command: list[str], env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Spent:
    """Run a process to its end. Raises RuntimeError where it fails."""
    began = time.perf_counter()
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=pipe, stderr=null, text=True, env={**os.environ, **(env or {})}, cwd=cwd)
    assert process.stdout is not None
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{command[:4]} ended with {status}: {out[-1000:]}")
    return Spent(usage.ru_utime + usage.ru_stime, time.perf_counter() - began, usage.ru_maxrss / 1024, out)


def batch(lines: Path, *flags: str, env: Mapping[str, str] | None = None) -> Spent:
    """Run a batch; its rows lie beside the lines."""
    command = [str(BIN / "theoryctl"), "local", "batch", str(lines), "--ref", REF, "--quiet", "--json"]
    return spend([*command, "--out", f"{lines}.rows", *flags], env)


def write(file: Path, count: int) -> Path:
    """Lines that all differ."""
    asked = ({"model": MODEL, "messages": [{"role": "user", "content": f"Say {number}."}]} for number in range(count))
    file.write_text("".join(json.dumps(line) + "\n" for line in asked))
    return file


def mocks(folder: Path, rounds: int) -> list[bool]:
    """Measure lines of a mock, and a resume of all of them."""
    few, many = write(folder / "few", FEW), write(folder / "many", MANY)
    costs, sizes, resumes = [], [], []
    for _ in range(rounds):
        for file in (few, many):
            Path(f"{file}.rows").unlink(missing_ok=True)
        start, whole = batch(few, "--mode", "mock"), batch(many, "--mode", "mock")
        costs.append((whole.cpu - start.cpu) / (MANY - FEW))
        sizes.append(whole.rss)
        resumes.append(batch(many, "--mode", "mock").cpu)
    least = min(costs)
    figures = {MOCK_CPU: least * 1e3, MOCK_RATE: 1 / least, MOCK_RSS: max(sizes), RESUME: min(resumes)}
    return [bar.report(value) for bar, value in figures.items()]


def real(folder: Path, rounds: int) -> list[bool]:
    """Measure real lines beside peers, with a vendor that answers at once."""
    lines, few = write(folder / "real", LINES), write(folder / "start", CONNECTIONS)
    found: dict[str, list[float]] = {}
    sizes = []
    with vendor() as secrets:
        for _ in range(rounds):
            for file in (lines, few):
                Path(f"{file}.rows").unlink(missing_ok=True)
            start, whole = real_batch(few, secrets), real_batch(lines, secrets)
            found.setdefault("ours", []).append((whole.cpu - start.cpu) / (LINES - CONNECTIONS))
            sizes.append(whole.rss)
            for name, python in peers().items():
                cpu, _, _ = peer(name, python, lines, secrets)
                found.setdefault(name, []).append(cpu / LINES)
    for name, costs in found.items():
        print(f"{min(costs) * 1e3:10.2f}  ms CPU a real line, {name}")
    ratio = median(ours / theirs for ours, theirs in zip(found["ours"], found["litellm"], strict=True))
    return [REAL_CPU.report(ratio), REAL_RSS.report(max(sizes))]


def far(folder: Path, rounds: int) -> list[bool]:
    """Measure the rate with a vendor that is far: the best of ours beside the best of the peer, in turns.

    So many calls keep a core busy, and whatever else runs here takes the clock of either: the luckiest pair of rounds
    says nothing. What LiteLLM loads in its first calls counts in neither: the peer is warm, and of ours a batch of one
    call a connection is taken off. Neither is held by a limit of connections: LiteLLM's is 500 a host
    (`AIOHTTP_CONNECTOR_LIMIT_PER_HOST`, constants.py).
    """
    lines, few = write(folder / "far", LINES), write(folder / "near", CONNECTIONS)
    starts, ours, theirs = list[float](), list[float](), list[float]()
    with vendor(LATENCY) as secrets:
        for _ in range(rounds):
            for file in (lines, few):
                Path(f"{file}.rows").unlink(missing_ok=True)
            starts.append(json.loads(real_batch(few, secrets).out)["seconds"])
            ours.append(json.loads(real_batch(lines, secrets).out)["seconds"])
            theirs.append(peer("litellm", Path(sys.executable), lines, secrets)[1])
    rate, best = (LINES - CONNECTIONS) / (min(ours) - min(starts)), LINES / min(theirs)
    print(f"{rate:10.0f}  lines a second, with {LATENCY} s of latency; litellm.acompletion {best:.0f}")
    return [REAL_RATE.report(rate / best)]


def real_batch(lines: Path, secrets: Mapping[str, str]) -> Spent:
    return batch(lines, "--mode", "real", "--concurrency", str(CONNECTIONS), env=secrets)


def peers() -> dict[str, Path]:
    """The Python of each peer; curator is installed where it is not there."""
    python = VENVS / "curator" / "bin" / "python"
    if not python.exists():
        subprocess.run([BIN / "uv", "venv", "--quiet", python.parent.parent], check=True)
        subprocess.run([BIN / "uv", "pip", "install", "--quiet", "--python", python, CURATOR], check=True)
    return {"litellm": Path(sys.executable), "curator": python}


def peer(name: str, python: Path, lines: Path, secrets: Mapping[str, str]) -> tuple[float, float, int]:
    """CPU seconds, seconds of the clock and the answers of a peer. Raises RuntimeError where some are missing."""
    with tempfile.TemporaryDirectory() as home:
        command = [str(python), "-m", "tests.bench.batch_peers", name, str(lines), f"{home}/out", str(CONNECTIONS)]
        quiet = {"HOME": home, "CURATOR_CACHE_DIR": home, "TELEMETRY_ENABLED": "0", "CURATOR_DISABLE_RICH_DISPLAY": "1"}
        # curator's tokenizer would be fetched; LiteLLM carries it.
        (tokenizers,) = python.parent.parent.glob("lib/*/site-packages/litellm/litellm_core_utils/tokenizers")
        out = spend(command, {**secrets, **quiet, "TIKTOKEN_CACHE_DIR": str(tokenizers)}, cwd=ROOT).out
    cpu, clock, good = out.splitlines()[-1].split()
    if int(good) != LINES:
        raise RuntimeError(f"{name} answered {good} of {LINES} lines")
    return float(cpu), float(clock), int(good)


def kills(folder: Path, times: int = 20, count: int = 1500, concurrency: int = 16) -> list[bool]:
    """Kill a batch at random moments. A started instance, whose script waits in each answer, logs what it was asked."""
    lines, rows = write(folder / "killed", count), folder / "killed.rows"
    (folder / "answers.yaml").write_text("rules:\n- answers: [{chunks: [{text: Hello, delay: 0.05}]}]\n")
    local, env = [str(BIN / "theoryctl"), "local"], {**os.environ, "THEORYCTL_STATE_DIR": str(folder / "state")}
    ref = ["--ref", REF]
    script = ["--runtime", "process", "--script", str(folder / "answers.yaml")]
    subprocess.run([*local, "start", *ref, *script], env=env, check=True, stdout=subprocess.DEVNULL)
    command = [*local, "batch", str(lines), *ref, "--out", str(rows), "--quiet", "--concurrency", str(concurrency)]
    try:
        for _ in range(times):
            process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
            time.sleep(random.uniform(0.3, 0.8))
            process.kill()
            process.wait()
        subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
        time.sleep(1.0)
        log = subprocess.run([*local, "logs", *ref, "--json"], env=env, check=True, capture_output=True, text=True)
    finally:
        subprocess.run([*local, "stop", "--all"], env=env, check=True, stdout=subprocess.DEVNULL)
    asked = log.stdout.count('"run_id"')
    return [LOST.report(missing(rows, count)), AGAIN.report(max(0, asked - count - times * concurrency))]


def missing(rows: Path, count: int) -> int:
    """The lines without a row, or with two."""
    numbers: Iterable[int] = (json.loads(row)["line"] for row in rows.read_text().splitlines())
    found = list(numbers)
    return count - len(set(found)) + len(found) - len(set(found))


def main() -> int:
    """Print the figures; 1 when a promise is broken."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        broken = [*mocks(folder, rounds), *real(folder, rounds), *far(folder, rounds), *kills(folder)]
    return int(any(broken))


if __name__ == "__main__":
    sys.exit(main())
