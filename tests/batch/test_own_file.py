"""A file of rows that another program removes, moves or changes while a batch writes to it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.batch.rows import Files, ask, read_rows
from tests.batch.test_stops import begin, wait_for_rows

LINES = [ask(str(number)) for number in range(12)]
SLOW = "rules:\n- answers: [{chunks: [{text: Hello, delay: 0.15}]}]\n"


@pytest.fixture
def meddled(files: Files, environment: dict[str, str]) -> Callable[..., tuple[int, str]]:
    """Run a batch, meddle with its file once there is a row, and return its status and what it says."""

    def meddled(meddle: Callable[[Path], object], *flags: str) -> tuple[int, str]:
        folder = files.out.parent
        (folder / "answers.yaml").write_text(SLOW)
        files.run("--estimate", lines=LINES)
        process = begin(environment, folder, "--script", "answers.yaml", *flags)
        wait_for_rows(folder, 1)
        meddle(files.out)
        out, err = process.communicate(timeout=30)
        return process.returncode, (out + err).decode()

    return meddled


@pytest.mark.parametrize("flags", [(), ("--ordered",)])
def test_rows_in_a_file_that_was_removed_are_written_again(
    files: Files, meddled: Callable[..., tuple[int, str]], flags: tuple[str, ...]
) -> None:
    status, said = meddled(Path.unlink, *flags)
    assert (status, len(files.rows)) == (0, 12), said


def test_rows_in_a_file_that_was_removed_and_replaced_are_written_beside_it(
    files: Files, meddled: Callable[..., tuple[int, str]]
) -> None:
    def replace(file: Path) -> None:
        file.unlink()
        file.write_text("mine\n")

    status, said = meddled(replace)
    assert (status, files.out.read_text()) == (1, "mine\n")
    (kept,) = re.findall(r"the rows are in (\S+?)\"", said)
    assert (len(read_rows(Path(kept))), f"--out {kept}" in said) == (12, True)


def test_a_file_that_was_moved_is_told_and_no_other_one_made(
    files: Files, meddled: Callable[..., tuple[int, str]]
) -> None:
    moved = files.out.with_name("moved.jsonl")
    status, said = meddled(lambda file: file.rename(moved), "--ordered")
    assert (status, "moved while the batch ran" in said, files.out.exists()) == (1, True, False)
    moved.rename(files.out)
    assert files.run().document["resumed"] == 12


def test_a_file_that_another_program_cuts_off_is_told_and_the_lines_are_asked_again(
    files: Files, meddled: Callable[..., tuple[int, str]]
) -> None:
    status, said = meddled(lambda file: file.write_bytes(b""))
    assert (status, "another program has changed it" in said) == (1, True)
    assert files.run().status == 0
    assert len(files.rows) == 12
