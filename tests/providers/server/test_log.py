"""The log of a server: bounded, whole lines, and never a reason for a request to fail."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.providers.started import Start
from theoryctl_providers.server.log import Log


def test_a_full_disk_drops_lines_and_not_connections(start: Start) -> None:
    server = start(log=Path("/dev/full"))
    assert [server.run().status for _ in range(5)] == [200] * 5
    assert server.stop() == 0


def test_a_log_makes_room_for_a_new_one_and_three_are_kept_without_a_torn_line(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    server = start(log=log, log_bytes=2_000)
    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(lambda _: server.run().document["run_id"], range(60)))
    server.stop()  # a line may come after its answer
    files = [Path(f"{log}.2"), Path(f"{log}.1"), log]
    assert sorted(tmp_path.glob("server.log*")) == sorted(files)
    assert all(file.stat().st_size < 3_000 for file in files)
    told = [json.loads(line)["run_id"] for file in files for line in file.read_text().splitlines()]
    assert set(told) < set(ids) and len(told) == len(set(told)) > 10
    assert all(oct(file.stat().st_mode)[-2:] == "00" for file in files[2:])


def test_a_log_that_is_emptied_by_somebody_goes_on_at_its_beginning(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    server = start(log=log)
    server.run()
    while not log.stat().st_size:
        time.sleep(0.01)
    log.write_bytes(b"")
    server.run()
    server.stop()
    (line,) = log.read_text().splitlines()
    assert json.loads(line)["status"] == 200


def test_a_server_leaves_alone_a_log_that_is_another_servers_by_now(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    old = start(log=log, log_bytes=500)
    log.unlink()
    new = start(log=log, log_bytes=100_000)
    for _ in range(5):
        old.run()
    mine = new.run().document["run_id"]
    old.stop()
    new.stop()
    assert [json.loads(line)["run_id"] for line in log.read_text().splitlines()] == [mine]
    assert not Path(f"{log}.1").exists()


def test_a_line_that_fits_in_part_is_ended_before_the_next_one() -> None:
    """A pipe that is full takes a part of a line, as a disk does. Standard error is put back at the end."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    kept, log = os.dup(2), Log()
    try:
        os.dup2(writer, 2)
        log.line("x" * 1_000_000)
        torn = os.read(reader, 1_000_000)
        log.line("whole")
    finally:
        os.dup2(kept, 2)
    os.close(writer)
    os.close(kept)
    with os.fdopen(reader, "rb") as rest:
        written = torn + rest.read()
    assert written.endswith(b"x\nwhole\n") and len(written) < 1_000_000
