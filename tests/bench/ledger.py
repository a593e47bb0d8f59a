"""The ledger's cost: CPU of one run's row in a new process, of a row in a group, and bytes of a row.

The row of one run is compared with the least that SQLite itself takes: its import, and one row in one file. That is
more than half of it on Python 3.11, which cannot keep SQLite from waiting for the disk at its end, as 3.12 can.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

#: The row of one run, in those of SQLite alone; milliseconds for a row in a group; bytes of a row: at most so many.
ONE, GROUPED, BYTES = 2.0, 0.05, 1024
#: Measured so often; the least counts, for whatever else runs here only adds to it.
TIMES = 15
ROWS, LARGE = 10_000, 120_000

#: What a real run in this process has loaded before its row is written, and its way with garbage.
SINGLE = """
import gc, json, os, sys, time
import datetime, hmac
from theoryctl.__main__ import GARBAGE_THRESHOLD
gc.set_threshold(GARBAGE_THRESHOLD)
from theoryctl.actions import run
from theoryctl.settings import Settings
from theoryctl_providers.contract import ProviderConfig, Request, build_envelope, sha256

inputs = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello in one word."}]}
request = Request(config=ProviderConfig(ref="llm/litellm@1"), inputs=inputs, mode="real")
outputs = [{"name": "answer", "media_type": "text/plain", "size": 6, "digest": sha256(b"Hello."), "text": "Hello."}]
envelope = build_envelope(error=None, ref="llm/litellm@1", mode="real", model=inputs["model"], outputs=outputs)
settings = Settings()
settings.text("mode")
begun = time.process_time()
from theoryctl.ledger.recorder import Recorder, policy_of
note = Recorder(policy_of(settings), request, "run").write(envelope)
print(json.dumps((time.process_time() - begun) * 1000))
assert note is None, note
"""

ALONE = """
import datetime, gc, json, os, time
gc.set_threshold(100_000)
file = os.environ["THEORYCTL_STATE_DIR"] + ".db"
begun = time.process_time()
import sqlite3
connection = sqlite3.connect(file, isolation_level=None)
connection.execute("PRAGMA journal_mode = WAL")
connection.execute("PRAGMA synchronous = NORMAL")
connection.execute("CREATE TABLE IF NOT EXISTS runs (run_id TEXT PRIMARY KEY, facts TEXT)")
connection.execute("INSERT INTO runs VALUES (hex(randomblob(16)), ?)", ("x" * 400,))
connection.close()
print(json.dumps((time.process_time() - begun) * 1000))
"""

GROUP = """
import json, time
from tests.ledger.rows import row
from theoryctl.ledger.retention import day
from theoryctl.ledger.group import Writer

rows = [row(day(), image="sha256:" + "0" * 64) for _ in range(ROWS)]
writer = Writer()
for at in range(0, BEFORE, 10_000):
    assert writer.write([row(day(), image="sha256:" + "0" * 64) for _ in range(10_000)]) is None
writer.write(rows[:1])
begun = time.process_time()
for at in range(0, ROWS, 100):
    assert writer.write(rows[at : at + 100]) is None
writer.close()
print(json.dumps((time.process_time() - begun) * 1000 / ROWS))
"""


def measured(script: str, state: str) -> float:
    """Run a script in a process with a folder of state, and return the number that it prints."""
    env = {**os.environ, "THEORYCTL_STATE_DIR": state, "PYTHONPATH": os.getcwd()}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout))


def main() -> int:
    """Print the figures; 1 when one is over its limit."""
    with tempfile.TemporaryDirectory() as folder:
        one, alone = (min(measured(each, f"{folder}/one") for _ in range(TIMES)) for each in (SINGLE, ALONE))
        grouped, large = (_grouped(folder, before) for before in (0, LARGE))
        size = sum(file.stat().st_size for file in Path(folder, "group0-0").glob("ledger.db*")) / ROWS
    found = (
        (f"x SQLite alone for the row of one run, {one:.2f} ms CPU", one / alone, ONE),
        ("ms CPU for a row in a group of 100", grouped, GROUPED),
        (f"ms CPU for one beside {LARGE:,} others", large, GROUPED),
        ("bytes of a row", size, BYTES),
    )
    over = [_report(*each) for each in found]
    return 1 if any(over) else 0


def _grouped(folder: str, before: int) -> float:
    group = GROUP.replace("ROWS", str(ROWS)).replace("BEFORE", str(before))
    return min(measured(group, f"{folder}/group{before}-{number}") for number in range(3))


def _report(name: str, value: float, limit: float) -> bool:
    over = value > limit
    print(f"{value:8.3f} {name} (limit {limit:g}){'  OVER' if over else ''}")
    return over


if __name__ == "__main__":
    sys.exit(main())
