"""The same inputs, embedded and on Modal: the same answers, and the same refusals."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.conftest import REF, ROOT, Cli, Ran
from tests.docker.test_parity import CASES, NULL, OWN, Case, Difference, Said, compared
from tests.modal.service import Modal

Start = Callable[..., Ran]
#: Cases that are streamed as well: a command takes seconds.
STREAMED = (
    "plain",
    "unicode",
    "choices",
    "a tool required",
    "json schema, cut short",
    "files of many types",
    "logprobs",
)
WHERE = {"embedded": ("local", "run"), "modal": ("modal", "run")}


def said_of(case: Case, where: str, cli: Cli, folder: Path) -> Said:
    """What the command line says to programs, and of some cases to people as it comes."""
    command = [*WHERE[where], "--ref", REF, "--inputs", "-"]
    for file, data in case.files.items():
        path = folder / case.name / file
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        command += ["--attach", f"{path.stem}={path}"]
    ways = (["--json"], ["--stream"]) if case.name in STREAMED else (["--json"],)
    rans = {" ".join(flags): cli(*command, *flags, stdin=case.inputs) for flags in ways}
    return {way: f"{ran.status} {OWN.sub(NULL, ran.out)}" for way, ran in rans.items()}


def differences(cases: Sequence[Case], cli: Cli, folder: Path) -> list[Difference]:
    def compare(case: Case) -> list[Difference]:
        return compared(case.name, {where: said_of(case, where, cli, folder) for where in WHERE})

    with ThreadPoolExecutor(3) as pool:
        return [difference for found in pool.map(compare, cases) for difference in found]


def test_the_same_inputs_have_the_same_answers_embedded_and_on_modal(start: Start, cli: Cli, tmp_path: Path) -> None:
    start()
    assert differences(CASES, cli, tmp_path) == []


def test_a_mock_that_is_changed_in_the_image_is_found_out(start: Start, cli: Cli, tmp_path: Path, modal: Modal) -> None:
    site = tmp_path / "changed"
    shutil.copytree(ROOT / "providers/theoryctl_providers", site / "theoryctl_providers")
    mock = site / "theoryctl_providers/mock.py"
    mock.write_text(mock.read_text().replace("Mock answer ", "Mock Answer "))
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{site}:$PYTHONPATH" exec {modal.image_python} "$@"\n')
    python.chmod(0o755)
    modal.image_python = str(python)
    start()
    cases = [case for case in CASES if case.name in ("plain", "json schema", "logprobs")]
    assert {(name, where) for name, _, where, *_ in differences(cases, cli, tmp_path)} == {("plain", "modal")}
