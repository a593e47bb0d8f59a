"""Records of vendors: what is published was shown by the tests of the same run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.records import FILE, SHOWS, committed

#: A test that shows what it is told to, in a run of its own.
SHOWING = f"""
import json, pathlib

def test_it(request):
    for what in json.loads(pathlib.Path("shown.json").read_text()):
        request.node.user_properties.append(({SHOWS!r}, what))
"""
CONFTEST = """
import pathlib
from tests.records import Recorder

def pytest_configure(config):
    config.pluginmanager.register(Recorder(pathlib.Path.cwd()))
"""


@pytest.mark.parametrize(
    ("shown", "is_current"), [(["acme: text"], True), (["acme: text", "acme: stream"], False), ([], False)]
)
def test_a_run_fails_where_it_shows_something_else_than_what_is_committed(
    shown: list[str], is_current: bool, tmp_path: Path
) -> None:
    (tmp_path / FILE).parent.mkdir(parents=True)
    (tmp_path / FILE).write_text(json.dumps({"acme: text": ["test_acme.py::test_it"]}))
    for name, text in (("test_acme.py", SHOWING), ("conftest.py", CONFTEST), ("shown.json", json.dumps(shown))):
        (tmp_path / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", "test_acme.py"]
    done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert (done.returncode == 0) is is_current, done.stdout
    assert (f"{FILE} differs from what was shown" in done.stdout) is not is_current


def test_every_test_in_the_records_is_there() -> None:
    for name in {name for names in committed(ROOT).values() for name in names}:
        file, _, function = name.partition("::")
        assert f"def {function}(" in (ROOT / file).read_text(), name
