"""The README is true: its commands run in a fresh clone, and its links lead somewhere."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.packaging.clone import fresh_clone
from tests.pages import blocks, run_page, run_script
from tests.real.vendor import Vendor

README = "README.md"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with fresh_clone(tmp_path_factory.mktemp("clone")) as folder:
        yield folder


def test_it_opens_with_the_two_commands() -> None:
    lines = (ROOT / README).read_text().splitlines()
    indented = [line.split("#")[0].strip() for line in lines if line.startswith("    ")]
    assert indented[:2] == ["make run", "make test"]


def test_what_a_newcomer_types_activates_the_venv_before_anything_else() -> None:
    first = re.search(r"^```\w.*?^```$", (ROOT / README).read_text(), re.MULTILINE | re.DOTALL)
    assert first is not None and first[0] == "```sh setup\n. .venv/bin/activate\n```"


def test_the_real_answer_of_the_readme_takes_two_lines(environment: dict[str, str], working_folder: Path) -> None:
    (block,) = blocks(README, "sh real")
    assert block.count("\n") == 2
    with Vendor() as vendor:
        printed = run_page(README, "sh real", {**environment, **vendor.addresses}, working_folder)
    assert printed == "Hello there!\n"


def test_the_server_for_tests_takes_three_lines() -> None:
    block, _ = blocks(README, "sh")
    assert block.replace("\\\n", "").count("\n") == 3


@pytest.mark.timeout(900)
@pytest.mark.slow("docs/getting-started.md", "Makefile", "requirements-all.lock")
def test_the_first_step_of_getting_started_works_in_a_fresh_clone(clone: Path, environment: dict[str, str]) -> None:
    shutil.rmtree(clone / ".venv", ignore_errors=True)
    script = [*blocks("docs/getting-started.md", "sh setup"), "python -c 'import litellm, modal'\n"]
    printed = run_script("".join(script), environment, clone)
    assert "theoryctl" in printed


def test_the_programmatic_use_takes_six_lines() -> None:
    (block,) = blocks(README, "python")
    assert len([line for line in block.splitlines() if line.strip()]) == 6


def test_every_link_leads_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
