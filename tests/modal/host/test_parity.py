"""The same inputs, embedded and on Modal: the same answers, and the same refusals."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.conftest import REF, ROOT, Cli, Ran
from tests.docker.test_parity import CASES, NULL, OWN, Case, Difference, compared
from tests.modal.host.images import image_with
from tests.modal.service import Modal

Start = Callable[..., Ran]
WHERE = {"embedded": ("local", "run"), "modal": ("modal", "run")}
#: How a missing secret gets there: set here, synced there.
KEY = re.compile(r'"hint": "(set|theoryctl modal sync-secrets) [^"]*"')
WAYS = {"whole": ["--json"], "as it comes": ["--stream"]}


class Runs:
    """Runs of cases in both places: what is printed for programs, and for people as it comes."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._environment = environment
        self._folder = folder

    def differences(self, cases: Sequence[Case]) -> list[Difference]:
        """In what the two places differ."""
        commands = {case.name: self._arguments(case) for case in cases}
        said = {where: self._said(command, commands) for where, command in WHERE.items()}
        found = (compared(name, {where: said[where][name] for where in WHERE}) for name in commands)
        return [difference for differences in found for difference in differences]

    def _arguments(self, case: Case) -> list[str]:
        folder = self._folder / case.name
        folder.mkdir()
        (folder / "inputs.json").write_text(case.inputs)
        arguments = ["--ref", REF, "--inputs-file", str(folder / "inputs.json")]
        for file, data in case.files.items():
            (folder / file).write_bytes(data)
            arguments += ["--attach", f"{file.partition('.')[0]}={folder / file}"]
        return arguments

    def _said(self, command: Sequence[str], commands: Mapping[str, list[str]]) -> dict[str, dict[str, str]]:
        """For each case and way, exit status and output."""
        asked = [[*command, *arguments, *flags] for arguments in commands.values() for flags in WAYS.values()]
        done = subprocess.run(
            [sys.executable, "-m", "tests.modal.host.many"],
            input=json.dumps(asked),
            stdout=subprocess.PIPE,
            text=True,
            env=dict(self._environment),
            cwd=ROOT,
            check=True,
        )
        answers: Iterator[tuple[int, str]] = iter(json.loads(done.stdout))
        return {name: {way: self._without_its_own(*next(answers)) for way in WAYS} for name in commands}

    def _without_its_own(self, status: int, out: str) -> str:
        return f"{status} {OWN.sub(NULL, KEY.sub('', out))}"


@pytest.fixture
def runs(environment: dict[str, str], tmp_path: Path) -> Runs:
    (tmp_path / "cases").mkdir()
    return Runs(environment, tmp_path / "cases")


def test_the_same_inputs_have_the_same_answers_embedded_and_on_modal(start: Start, runs: Runs) -> None:
    start()
    assert runs.differences(CASES) == []


def test_a_mock_that_is_changed_in_the_image_is_found_out(
    start: Start, runs: Runs, cli: Cli, tmp_path: Path, modal: Modal
) -> None:
    site = tmp_path / "changed"
    shutil.copytree(ROOT / "providers/theoryctl_providers", site / "theoryctl_providers")
    mock = site / "theoryctl_providers/mock/provider.py"
    mock.write_text(mock.read_text().replace("Mock answer ", "Mock Answer "))
    modal.image_python = image_with(tmp_path, site)
    start()
    found = runs.differences([case for case in CASES if case.name in ("plain", "json schema", "logprobs")])
    assert {(name, way, where) for name, way, where, *_ in found} == {("plain", way, "modal") for way in WAYS}
    told = cli("manifest", "test", REF, "--runtimes", "embedded,modal")
    assert (told.status, told.out.splitlines()[-1].partition("sha256:")[0]) == (
        6,
        "differs: example: modal: answer: expected ",
    )
