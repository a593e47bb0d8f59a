"""The pytest plugin, in a pytest of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TESTS = """
import openai, pytest, sys

@pytest.mark.theoryctl(script={"rules": [{"answers": [{"text": "four"}]}]})
def test_marked(theoryctl):
    with openai.OpenAI() as client:
        said = client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "2+2"}])
    assert said.choices[0].message.content == "four"
    assert theoryctl.requests[0].body["messages"][0]["content"] == "2+2"

def test_alone(theoryctl):
    assert theoryctl.requests == []
"""


def ran(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--strict-markers", "test_it.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def test_each_test_has_its_own_script_and_requests(tmp_path: Path) -> None:
    done = ran(tmp_path, TESTS)
    assert done.returncode == 0 and "2 passed" in done.stdout, done.stdout + done.stderr


def test_a_run_without_the_fixture_loads_nothing_of_the_server(tmp_path: Path) -> None:
    done = ran(
        tmp_path,
        "import sys\n\ndef test_it():\n    ours = {m for m in sys.modules if m.startswith('theoryctl')}\n"
        "    assert ours == {'theoryctl_providers', 'theoryctl_providers.testing', "
        "'theoryctl_providers.testing.plugin'}\n",
    )
    assert done.returncode == 0, done.stdout + done.stderr
