"""The cost of the pytest plugin: of a test that asks the fixture once, and of a run that has none.

The peer is aimock's plugin, which starts a Node process for each test. It is installed once, below `.bench`.

python -m tests.bench.plugin 5      # rounds; default 5
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.bench.server import ROOT

HOME = ROOT / ".bench" / "aimock"
#: The npm package that 0.7.0 of the plugin starts, of the newest version that npm offers.
CLI = HOME / "node_modules/@copilotkit/aimock/dist/cli.js"
#: Tests in a run; a slow peer gets fewer.
TESTS, FEW = 100, 10

SOURCE = """\
import http.client, json, pytest

BODY = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "2+2"}]})

def ask(url, token):
    connection = http.client.HTTPConnection(url.removeprefix("http://").partition("/")[0])
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    connection.request("POST", "/v1/chat/completions", BODY, headers)
    assert b"four" in connection.getresponse().read()
    connection.close()

"""
OURS = """\
@pytest.mark.parametrize("number", range(COUNT))
def test_it(theoryctl, number):
    theoryctl.script({"rules": [{"answers": [{"text": "four"}]}]})
    ask(theoryctl.url, theoryctl.token)
    assert theoryctl.requests[0].body["model"] == "gpt-4o-mini"
"""
THEIRS = """\
@pytest.mark.parametrize("number", range(COUNT))
def test_it(aimock, number):
    aimock.on_message("2+2", {"content": "four"})
    ask(aimock.url, "none")
    assert aimock.get_journal()
"""
#: What a run without the fixture pays: the plugin loaded, and each test looked at. Whole runs differ more by chance.
LOADING = """\
import _pytest.python, importlib.metadata, json, pytest, time
from types import SimpleNamespace
item = SimpleNamespace(get_closest_marker=lambda name: None)
wall, cpu = time.perf_counter(), time.process_time()
import theoryctl_providers.testing.plugin as plugin
for _ in range(1000):
    plugin.pytest_itemcollected(item)
print(json.dumps([(time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000]))
"""


class Spent(NamedTuple):
    """Milliseconds."""

    wall: float
    cpu: float

    def less(self, other: Spent, runs: int = 1) -> Spent:
        """Return the difference, for each of `runs`."""
        return Spent((self.wall - other.wall) / runs, (self.cpu - other.cpu) / runs)


@dataclass(frozen=True)
class Kind:
    """A run of pytest to measure."""

    python: Path
    source: str

    def spent(self, count: int) -> Spent:
        """Run `count` tests. Raises CalledProcessError where one fails."""
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "test_it.py").write_text(SOURCE + self.source.replace("COUNT", str(count)))
            command = [str(self.python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *_ALONE, "test_it.py"]
            environment = {**os.environ, "AIMOCK_CLI_PATH": str(CLI)}
            before, began = _cpu(), time.perf_counter()
            subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
            return Spent((time.perf_counter() - began) * 1000, (_cpu() - before) * 1000)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


#: Without the plugins of others, some of which load for longer than all of a test.
_ALONE = ["-pno:hypothesispytest", "-pno:xdist", "-pno:xdist.looponfail", "-pno:anyio", "-pno:llmock"]
PLUGIN = Kind(Path(sys.executable), OURS)


def loading() -> Spent:
    """Return what the plugin costs a run of a thousand tests that do not want it."""
    done = subprocess.run([sys.executable, "-c", LOADING], check=True, capture_output=True)
    return Spent(*json.loads(done.stdout))


def least(found: Iterable[Spent]) -> Spent:
    """Return the least of each: the machine is other people's too."""
    walls, cpus = zip(*found, strict=True)
    return Spent(min(walls), min(cpus))


def per_test(kind: Kind, count: int, rounds: int) -> Spent:
    """Return what each test costs after the first."""
    one, many = zip(*((kind.spent(1), kind.spent(count + 1)) for _ in range(rounds)), strict=True)
    return least(many).less(least(one), count)


def report(name: str, spent: Spent, limit: Spent | None = None) -> bool:
    """Print a line; True where it is over its limit."""
    over = limit is not None and (spent.wall > limit.wall or spent.cpu > limit.cpu)
    told = "" if limit is None else f"  (limit {limit.wall:.0f}, {limit.cpu:.0f})"
    print(f"{name:44} {spent.wall:8.1f} ms wall {spent.cpu:8.1f} ms CPU{told}{'  OVER' * over}")
    return over


def peer() -> Kind | None:
    """Install aimock's plugin; None where that cannot be done."""
    uv, python = str(Path(sys.executable).parent / "uv"), str(HOME / "bin/python")
    steps = [
        [uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(HOME)],
        [uv, "pip", "install", "--quiet", "--python", python, "aimock-pytest==0.7.0", "pytest"],
        ["npm", "install", "--silent", "--ignore-scripts", "--prefix", str(HOME), "@copilotkit/aimock@1.43.0"],
    ]
    if shutil.which("node") is None:
        return None
    if not CLI.exists() and any(subprocess.run(step, check=False).returncode for step in steps):
        return None
    return Kind(Path(python), THEIRS)


def main() -> int:
    """Print the table; 1 where a line is over its limit."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    over = [
        report("a test that asks once", per_test(PLUGIN, TESTS, rounds), Spent(20, 8)),
        report("a run of 1000 tests that do not", least(loading() for _ in range(2 * rounds)), Spent(5, 5)),
    ]
    if (theirs := peer()) is None:
        print("aimock's plugin could not be installed: it wants Node, npm and a registry")
    else:
        report("a test that asks aimock once", per_test(theirs, FEW, rounds))
    return int(any(over))


if __name__ == "__main__":
    sys.exit(main())
