"""The cost of a mock chat completion, here and with others that offer one: LiteLLM's proxy, llmock and fakellm.

Each peer is installed into a venv of its own below `.bench`, once, and started as its own documentation says. All get
the same request, in turns, so that what slows the machine meets all of them.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil

from tests.bench.server import CONFIG, ROOT, TOKEN, load

VENVS = ROOT / ".bench"
BIN = Path(sys.executable).parent
ROUNDS = 3
CONNECTIONS = (1, 8, 32)
#: Seconds that a peer may take to come up: LiteLLM's proxy imports for long.
PATIENCE = 120.0
PATH = "/v1/chat/completions"
ASK = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello."}]}

ANSWER = "Mock answer 13ee5606 from openai/gpt-4o-mini to: Say hello."
PROXY = f"""\
model_list:
  - model_name: gpt-4o-mini
    litellm_params: {{model: openai/gpt-4o-mini, api_key: none, mock_response: "{ANSWER}"}}
general_settings: {{master_key: {TOKEN}}}
"""
RULES = f"""\
version: 1
rules:
  - {{name: all, when: {{messages_contain: hello}}, respond: {{content: "{ANSWER}"}}}}
"""


@dataclass(frozen=True)
class Peer:
    """A server to measure. `requests` is how many it gets in a turn, streamed or not: slow ones get fewer."""

    name: str
    requirement: str
    command: tuple[str, ...]
    requests: tuple[int, int]
    stdin: bytes = b""
    files: dict[str, str] = field(default_factory=dict, hash=False)

    @property
    def python(self) -> Path:
        """The interpreter of its venv; ours is the one that runs this."""
        return VENVS / self.name / "bin" / "python" if self.requirement else Path(sys.executable)

    def arguments(self, port: int) -> list[str]:
        program, *rest = self.command
        return [str(self.python.parent / program), *(word.format(port=port) for word in rest)]


OURS = Peer(
    "theoryctl", "", ("python", "-m", "theoryctl_providers", "--port", "{port}"), (3000, 3000), stdin=CONFIG.dump()
)
PROXIED = Peer(
    "litellm",
    "litellm[proxy]==1.106.2",
    ("litellm", "--config", "proxy.yaml", "--host", "127.0.0.1", "--port", "{port}"),
    (200, 200),
    files={"proxy.yaml": PROXY},
)
LLMOCK = Peer("llmock", "llmock==0.2.2", ("llmock", "serve", "--port", "{port}", "--log-level", "warning"), (1500, 400))
FAKELLM = Peer(
    "fakellm", "fakellm==0.3.5", ("fakellm", "serve", "--port", "{port}"), (1500, 200), files={"fakellm.yaml": RULES}
)
PEERS = (OURS, PROXIED, LLMOCK, FAKELLM)
MOCKS = (LLMOCK, FAKELLM)

#: How many times the proxy's requests a second are promised.
FASTER = 20.0


@dataclass(frozen=True)
class Line:
    """A line of the table: what is measured, under which load."""

    what: str
    connections: int = 0
    stream: bool = False

    def __str__(self) -> str:
        how = f", {self.connections} connections{', streamed' if self.stream else ''}" if self.connections else ""
        return self.what + how


RATE, CPU = "requests a second", "CPU ms a request"
READY, IDLE = Line("seconds to the first answer"), Line("RSS idle, MiB")
LOADS = [(connections, stream) for stream in (False, True) for connections in CONNECTIONS]
LINES = [*(Line(RATE, *each) for each in LOADS), *(Line(CPU, *each) for each in LOADS), READY, IDLE]

Found = defaultdict[tuple[Line, Peer], list[float]]


@dataclass(frozen=True)
class Running:
    """A peer that has answered."""

    peer: Peer
    process: psutil.Process
    port: int

    def cpu_seconds(self) -> float:
        """Of it and its children."""
        times = [process.cpu_times() for process in (self.process, *self.process.children(recursive=True))]
        return sum(each.user + each.system for each in times)

    def rss(self) -> int:
        return sum(each.memory_info().rss for each in (self.process, *self.process.children(recursive=True)))


def install(peer: Peer) -> None:
    """Make the peer's venv, unless it is there. Raises CalledProcessError."""
    if peer.requirement and not (VENVS / peer.name / peer.requirement.replace("/", "_")).exists():
        print(f"installing {peer.requirement}", file=sys.stderr)
        subprocess.run([BIN / "uv", "venv", "--quiet", "--clear", VENVS / peer.name], check=True)
        uv: list[str | Path] = [BIN / "uv", "pip", "install", "--quiet", "--python", peer.python]
        subprocess.run([*uv, peer.requirement, "uvloop", "httptools"], check=True)
        (VENVS / peer.name / peer.requirement).touch()


@contextmanager
def running(peer: Peer, found: Found) -> Iterator[Running]:
    """Start a peer in a folder of its own, wait for its first answer, and end it. Raises RuntimeError with its log."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
        for name, text in peer.files.items():
            (Path(folder) / name).write_text(text)
        port = _free_port()
        began = time.perf_counter()
        process = subprocess.Popen(
            peer.arguments(port), cwd=folder, stdin=subprocess.PIPE, stdout=log, stderr=log, env=_environment(folder)
        )
        try:
            assert process.stdin is not None
            process.stdin.write(peer.stdin)
            process.stdin.close()
            if not _answers(port, process):
                log.seek(0)
                raise RuntimeError(f"{peer.name} did not start: {log.read().decode(errors='replace')[-2000:]}")
            found[READY, peer].append(time.perf_counter() - began)
            server = Running(peer, psutil.Process(process.pid), port)
            found[IDLE, peer].append(server.rss() / 2**20)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _environment(home: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": home, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{PATH}", json.dumps(ASK).encode(), headers)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            time.sleep(0.02)
    return False


def measure(server: Running, connections: int, stream: bool, found: Found) -> None:
    """Warm up, then load, and note what it cost. Raises RuntimeError where a request is not answered with 200."""
    requests = server.peer.requests[stream]
    request = _request(stream)
    load(server.port, request, connections, requests // 5)
    before = server.cpu_seconds()
    good, seconds = load(server.port, request, connections, requests)
    spent = server.cpu_seconds() - before
    if good != requests:
        raise RuntimeError(f"{server.peer.name} answered {good} of {requests} requests")
    found[Line(RATE, connections, stream), server.peer].append(good / seconds)
    found[Line(CPU, connections, stream), server.peer].append(spent * 1000 / good)


def _request(stream: bool) -> str:
    body = json.dumps({**ASK, "stream": True} if stream else ASK)
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}"


def main() -> int:
    """Print the table; 1 when a goal is missed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    for peer in PEERS:
        install(peer)
    found: Found = defaultdict(list)
    for turn in range(ROUNDS):
        order = PEERS if turn % 2 else PEERS[::-1]
        with ExitStack() as stack:
            servers = [stack.enter_context(running(peer, found)) for peer in order]
            for connections, stream in LOADS:
                for server in servers:
                    measure(server, connections, stream, found)
    print(f"{'':42}" + "".join(f"{peer.name:>11}" for peer in PEERS))
    missed = [_report(line, {peer: median(found[line, peer]) for peer in PEERS}) for line in LINES]
    return 1 if any(missed) else 0


def _report(line: Line, values: dict[Peer, float]) -> bool:
    missed = goal = ""
    if line.what == RATE:
        times = values[OURS] / values[PROXIED]
        goal, missed = f"  {times:.0f} x litellm (>= {FASTER:.0f})", "  MISSED" if times < FASTER else ""
    elif line.what == CPU:
        least = min(values[peer] for peer in MOCKS)
        share = values[OURS] / least
        goal, missed = f"  {share:.2f} x the least of the other mocks (< 1)", "  MISSED" if share >= 1 else ""
    print(f"{line!s:42}" + "".join(f"{values[peer]:11.3f}" for peer in PEERS) + goal + missed)
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
