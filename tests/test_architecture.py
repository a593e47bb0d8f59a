"""docs/architecture.md says what the wall test holds, and names only what is there."""

from __future__ import annotations

import re

import pytest

from tests.conftest import REF
from tests.source import ROOT
from tests.test_startup import loaded_after
from tests.test_walls import FLOORS

PAGE = (ROOT / "docs" / "architecture.md").read_text()


@pytest.mark.parametrize("package", FLOORS)
def test_the_page_lists_the_floors_that_the_wall_test_holds(package: str) -> None:
    (block,) = re.findall(rf"```floors {package}\n(.*?)```", PAGE, re.DOTALL)
    assert [tuple(line.split(", ")) for line in block.splitlines()] == list(FLOORS[package])


def test_every_room_and_file_on_the_page_is_there() -> None:
    named = set(re.findall(r"`((?:theoryctl(?:_providers)?|tests|docs|providers)/[\w./]*)`", PAGE))
    assert len(named) > 30
    bases = [ROOT, ROOT / "providers"]
    assert [name for name in sorted(named) if not any((base / name).exists() for base in bases)] == []


def test_every_room_has_a_line_in_the_table() -> None:
    rows = "\n".join(line for line in PAGE.splitlines() if line.startswith("| `"))
    for package, floors in FLOORS.items():
        base = ROOT if package == "theoryctl" else ROOT / "providers"
        for room in (room for floor in floors for room in floor if (base / package / room).is_dir()):
            assert f"`{package}/{room}`" in rows


def test_an_embedded_run_goes_through_the_rooms_that_the_page_names(environment: dict[str, str]) -> None:
    (path,) = re.findall(r"^\*\*`theoryctl local run`, embedded\.\*\* .*?\n\n", PAGE, re.DOTALL | re.MULTILINE)
    files = re.findall(r"`(theoryctl(?:_providers)?/[\w./]*)`", path)
    modules = {file.removesuffix(".py").replace("/", ".") for file in files}
    assert len(modules) > 10
    run = ["local", "run", "--ref", REF, "--mode", "mock"]
    assert modules - loaded_after(run, {**environment, "THEORYCTL_LEDGER": "mock"}, times=1) == set()
