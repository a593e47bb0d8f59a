"""Rules and recordings that answered nothing are told where an instance, a batch or a test ends."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REF, ROOT, Cli

START = ("local", "start", "--ref", REF, "--runtime", "process")
RULES = """rules:
- when: {user: {contains: weather}}
  answers: [{text: Sunny.}]
- name: never asked
  when: {user: {contains: time}}
  answers: [{text: Noon.}]
"""


@pytest.fixture
def script(working_folder: Path) -> Path:
    file = working_folder / "answers.yaml"
    file.write_text(RULES)
    return file


@pytest.mark.parametrize(("strict", "status"), [("", 0), ("strict: true\n", 3)], ids=["lenient", "strict"])
def test_stop_tells_the_rules_that_answered_nothing_and_fails_where_the_script_is_strict(
    cli: Cli, script: Path, strict: str, status: int
) -> None:
    script.write_text(strict + RULES)
    assert cli(*START, "--script", str(script)).status == 0
    assert cli("local", "run", "--ref", REF, "the weather").out == "Sunny.\n"
    stopped = cli("local", "stop", "--all", "--json")
    assert (stopped.status, stopped.document["unused"][0]["rules"]) == (status, ["rule 2 (never asked)"])
    assert cli("local", "status", "--json").document["instances"] == []


def test_stop_says_in_words_what_answered_nothing(cli: Cli, script: Path) -> None:
    assert cli(*START, "--script", str(script)).status == 0
    out = cli("local", "stop", "--all").out.splitlines()
    assert out == [
        "stopped llm/litellm@1 (process)",
        "llm/litellm@1 (process): no request was answered by rule 1, rule 2 (never asked)",
    ]


def test_a_batch_tells_unused_rules_and_fails_where_the_script_is_strict(cli: Cli, script: Path) -> None:
    lines = [{"messages": [{"role": "user", "content": text}]} for text in ("the weather", "weather?")]
    (script.parent / "lines.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    batch = ("local", "batch", "lines.jsonl", "--ref", REF, "--script", str(script), "--json", "--out")
    lenient = cli(*batch, "a.jsonl")
    assert (lenient.status, lenient.document["unused_rules"]) == (0, ["rule 2 (never asked)"])
    script.write_text("strict: true\n" + RULES)
    assert cli(*batch, "b.jsonl").status == 3
    (told,) = re.findall(r"^\| 3 \| .*$", (ROOT / "docs/batch.md").read_text(), re.M)
    assert "`strict: true`" in told
    assert cli(*batch, "b.jsonl").status == 0, "lines that have rows already ask nothing"


TESTS = """
import openai, pytest

RULES = [{"when": {"user": {"contains": word}}, "answers": [{"text": word}]} for word in ("one", "two")]

@pytest.mark.theoryctl(script=[{"strict": True, "rules": RULES[:1]}, {"rules": RULES[1:]}])
def test_strict(theoryctl):
    with openai.OpenAI() as client:
        client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "one"}])
    assert theoryctl.unused == ["rule 2"]
"""


def test_a_strict_script_of_a_test_fails_it_where_a_rule_answered_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--strict-markers", "test_it.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert "expected an answer of each rule, got none of rule 2" in done.stdout, done.stdout
    assert "1 passed, 1 error" in done.stdout
