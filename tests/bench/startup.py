"""The cost of a command: process CPU against `python -c pass` of the same venv, the least of 20 each, by pyperf.

One of them goes to an instance that is started for it, and stopped.

`make bench` compiles the bytecode first. Times here are noisy: whatever else the machine does only adds to them, so the
least is taken, and only its ratio to that of the peer in the same run counts.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pyperf

REF = ["--ref", "llm/litellm@1"]
INPUTS = '{"messages": [{"role": "user", "content": "Say hello."}], "temperature": 0.5}'
#: The ref that is started; the other runs stay embedded.
ON_INSTANCE = "llm/mock@1"
THEORYCTL = str(Path(sys.executable).parent / "theoryctl")
BASE = "python -c pass"
MISSING = "local run --mode real, and no key"
PROMPT = ["--prompt", "Say hello."]

#: The exit status where a secret is missing.
NO_SECRET = 4


def completing(line: str) -> list[str]:
    """The command by which a shell asks what may stand at the end of a line."""
    asked = ["_THEORYCTL_COMPLETE=complete_zsh", f"_TYPER_COMPLETE_ARGS={line}"]
    return ["/usr/bin/env", *asked, THEORYCTL]


#: Command, and the ratio it must not pass.
COMMANDS: dict[str, tuple[list[str], float]] = {
    BASE: ([sys.executable, "-c", "pass"], 1.0),
    "theoryctl --help": ([THEORYCTL, "--help"], 7.5),
    "local run --mode mock": ([THEORYCTL, "local", "run", *REF, "--mode", "mock"], 11.5),
    "local run --mode mock --json": ([THEORYCTL, "local", "run", *REF, "--mode", "mock", "--json"], 11.5),
    "local run --inputs-json": ([THEORYCTL, "local", "run", *REF, "--inputs-json", INPUTS], 12.0),
    "manifest list": ([THEORYCTL, "manifest", "list"], 11.5),
    "local run, on an instance": ([THEORYCTL, "local", "run", "--ref", ON_INSTANCE], 13.5),
    MISSING: ([THEORYCTL, "local", "run", *REF, "--mode", "real", "--model", "gemini/gemini-2.5-flash", *PROMPT], 13.0),
    "completion of an option": (completing("theoryctl local run --m"), 9.0),
    "completion of a ref": (completing("theoryctl local run --ref "), 11.5),
    "completion of a model": (completing("theoryctl local run --model openai/"), 10.0),
}


def cpu_seconds(loops: int, command: list[str]) -> float:
    """User and system time of `loops` processes, their output thrown away.

    Raises RuntimeError when one fails, but for the want of a secret.
    """
    quiet = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    total = 0.0
    for _ in range(loops):
        pid = os.posix_spawn(command[0], command, os.environ, file_actions=quiet)
        _, status, usage = os.wait4(pid, 0)
        if os.waitstatus_to_exitcode(status) not in (0, NO_SECRET):
            raise RuntimeError(f"{' '.join(command)} failed")
        total += usage.ru_utime + usage.ru_stime
    return total


@contextmanager
def _instance() -> Iterator[None]:
    """Start an instance, and stop it. Raises CalledProcessError."""
    command = [THEORYCTL, "local"]
    subprocess.run([*command, "start", "--ref", ON_INSTANCE, "--runtime", "process"], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run([*command, "stop", "--ref", ON_INSTANCE], check=True, capture_output=True)


def main() -> int:
    """Print each command's ratio; 1 when one is over its limit."""
    runner = pyperf.Runner(processes=5, values=4, warmups=1, loops=1)
    # Workers are told where home is: the manifest cache lies there, and is warm after the first.
    runner.parse_args(["--inherit-environ=HOME,PATH", "--quiet", *sys.argv[1:]])
    with nullcontext() if runner.args.worker else _instance():
        found = {name: runner.bench_time_func(name, cpu_seconds, command) for name, (command, _) in COMMANDS.items()}
    if runner.args.worker:
        return 0
    base = min(found[BASE].get_values())
    over = [_report(name, min(found[name].get_values()) / base, limit) for name, (_, limit) in COMMANDS.items()]
    return 1 if any(over) else 0


def _report(name: str, ratio: float, limit: float) -> bool:
    over = ratio > limit
    print(f"{ratio:6.1f} x python -c pass (limit {limit:4.1f})  {name}{'  OVER' if over else ''}")
    return over


if __name__ == "__main__":
    sys.exit(main())
