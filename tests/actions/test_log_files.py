"""Logs of the process runtime: read over the files that made room for one another."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REF, THEORYCTL, Cli
from tests.waiting import until
from theoryctl.instances.lines import LONGEST, Lines
from theoryctl.instances.log_files import log_lines, opened_anew

RUN = ("local", "run", "--ref", REF, "--json")


@pytest.fixture(autouse=True)
def _nothing_is_left(cli: Cli) -> Iterator[None]:
    yield
    cli("local", "stop", "--all")


def started(cli: Cli, environment: dict[str, str]) -> Path:
    """Start a server, and return its log."""
    return started_in(cli, Path(environment["HOME"]) / ".local/state/theoryctl")


def started_in(cli: Cli, folder: Path, **options: Any) -> Path:
    assert cli("local", "start", "--ref", REF, "--runtime", "process", **options).status == 0
    (log,) = folder.rglob("*.log")
    return log


def test_a_log_makes_room_where_a_relative_path_leads_to_its_folder(
    cli: Cli, environment: dict[str, str], tmp_path: Path
) -> None:
    environment["THEORYCTL_STATE_DIR"] = "state"
    log = started_in(cli, tmp_path / "work/state")
    with log.open("a") as file:
        file.write(f"{'noise' * 200_000}\n" * 11)
    ran = cli(*RUN).document["run_id"]
    until(lambda: ran in log.read_text())
    assert log.stat().st_size < 10_000
    log.with_suffix(".json").unlink()  # whose server is found by its environment
    assert cli("local", "stop", "--all", "--json").document["instances"][0]["was_running"] is True


def test_logs_of_more_than_one_file_are_shown_whole_and_a_new_start_begins_with_none(
    cli: Cli, environment: dict[str, str]
) -> None:
    log = started(cli, environment)
    assert log.stat().st_mode & 0o777 == 0o600
    ids = [cli(*RUN).document["run_id"]]
    until(lambda: ids[0] in log.read_text())
    with log.open("a") as file:  # as a provider does that prints a lot
        file.write(f"{'noise' * 200_000}\n" * 11)
    ids += [cli(*RUN).document["run_id"] for _ in range(2)]
    until(lambda: ids[-1] in log.read_text())
    assert log.stat().st_size < 10_000
    assert Path(f"{log}.1").stat().st_size > 10_000_000
    shown = cli("local", "logs", "--ref", REF, "--json").out.splitlines()
    assert [json.loads(line)["run_id"] for line in shown if '"run_id"' in line] == ids
    cli("local", "stop", "--ref", REF)
    assert started(cli, environment).read_text() == ""
    assert not Path(f"{log}.1").exists()


def test_a_log_is_followed_into_the_file_that_takes_its_place(tmp_path: Path) -> None:
    log, end = tmp_path / "server.log", threading.Event()
    log.write_text("1\n2\n")
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.extend(log_lines(str(log), lambda: not end.is_set())))
    reader.start()
    time.sleep(0.2)
    with log.open("a") as old:
        old.write("3\n")
    log.rename(f"{log}.1")  # as the server does: an old file is written to its end by then
    log.write_text("4\n")
    time.sleep(0.3)
    end.set()
    reader.join()
    assert found == ["1", "2", "3", "4"]


def test_two_servers_that_write_to_one_log_overwrite_nothing(tmp_path: Path) -> None:
    log = str(tmp_path / "server.log")
    with open(opened_anew(log), "wb") as old, open(opened_anew(log), "wb") as new:
        for file, line in ((new, b"new\n"), (old, b"old\n"), (new, b"new\n")):
            file.write(line)
            file.flush()
    assert list(log_lines(log, lambda: False)) == ["new", "old", "new"]


def followed(log: Path, write: Callable[[], None]) -> list[str]:
    """Follow a log while it is written, and return its lines."""
    end, found = threading.Event(), list[str]()
    reader = threading.Thread(target=lambda: found.extend(log_lines(str(log), lambda: not end.is_set())))
    reader.start()
    try:
        write()
    finally:
        end.set()
        reader.join()
    return found


def test_a_line_that_is_written_in_two_goes_is_followed_as_one(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text("")

    def write() -> None:
        for part in ("ha", "lf\n", "no end"):
            with log.open("a") as file:
                file.write(part)
            time.sleep(0.25)  # longer than a reader sleeps at the end of the file

    assert followed(log, write) == ["half", "no end"]


def test_a_line_without_an_end_is_followed_as_it_comes(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_bytes("🦜".encode() * (LONGEST // 2))
    found = log_lines(str(log), lambda: True)
    parts = [next(found)]
    with log.open("a") as file:
        file.write("!\nnext\n")
    parts += [next(found), next(found)]
    assert [len(part.encode()) for part in parts] == [LONGEST, LONGEST, 1]
    assert next(found) == "next"
    assert set("".join(parts[:2])) == {"🦜"}


def test_a_long_line_is_cut_between_its_characters() -> None:
    text = "x" + "🦜" * LONGEST
    lines = Lines()
    parts = [part for begin in range(0, 4 * LONGEST + 1, 50_001) for part in lines.of(text.encode()[begin:][:50_001])]
    parts += lines.end()
    assert "".join(parts) == text
    assert max(len(part.encode()) for part in parts) <= LONGEST


@pytest.mark.parametrize("flags", [(), ("--tail", "1")], ids=str)
def test_a_line_that_had_begun_is_followed_to_its_end(
    cli: Cli, environment: dict[str, str], flags: tuple[str, ...]
) -> None:
    log = started(cli, environment)
    with log.open("a") as file:
        file.write("first\nloading weights ... ")
    assert cli("local", "logs", "--ref", REF).out == "first\nloading weights ... \n"
    command = [str(THEORYCTL), "local", "logs", "--ref", REF, "--follow", *flags]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        try:
            found = [following.stdout.readline()]
            with log.open("a") as file:
                file.write("done in 3 s\nnext\nno end")
            found += [following.stdout.readline() for _ in range(2)]
        finally:
            cli("local", "stop", "--all")
        found += following.stdout
    assert found == ["first\n", "loading weights ... done in 3 s\n", "next\n", "no end\n"]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_lines_end_as_those_of_a_file_that_is_read_as_text(size: int) -> None:
    text = b"crlf line\r\n10%\r20%\r\r100%\n\n\x0b\x85 one line\r\nlast\r"
    lines = Lines()
    found = [line for begin in range(0, len(text), size) for line in lines.of(text[begin:][:size])]
    assert found[-1] != "last", "whose line feed may be still to come"
    found += lines.end()
    assert found == ["crlf line", "10%", "20%", "", "100%", "", "\x0b\ufffd one line", "last"]


def test_a_longest_line_has_one_end_wherever_its_pieces_begin() -> None:
    line = b"x" * LONGEST + b"\r\n"
    for cut in (LONGEST, LONGEST + 1):
        lines = Lines()
        assert len([*lines.of(line[:cut]), *lines.of(line[cut:]), *lines.end()]) == 1
