"""`eval "$(theoryctl local env …)"`: what it leads to an instance, and what it must not."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REF, THEORYCTL
from tests.openai.conftest import ON_MODAL, Variables, theoryctl


def shell(command: str, env: Variables, folder: Path) -> subprocess.CompletedProcess[str]:
    where = {**env, "PATH": f"{THEORYCTL.parent}:{env['PATH']}"}
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, env=where, cwd=folder, timeout=250)


ENV = f'eval "$(theoryctl local env --ref {REF})"'


def test_one_line_leads_a_client_to_the_instance(local_instance: Variables, home: Variables, tmp_path: Path) -> None:
    ask = "import openai; print(openai.OpenAI().models.list().data[0].id)"
    done = shell(f"{ENV} && python -c '{ask}'", home, tmp_path)
    assert done.stdout == "openai/gpt-4o-mini\n", done.stderr


OTHERS = """\
import anthropic, ollama, openai
from google import genai

asked = [{"role": "user", "content": "Say hello."}]
message = anthropic.Anthropic().messages.create(model="claude-x", max_tokens=99, messages=asked)
print(message.content[0].text)
print(ollama.chat(model="llama3.2", messages=asked).message.content)
print(openai.AzureOpenAI().chat.completions.create(model="mine", messages=asked).choices[0].message.content)
google = genai.Client()
print(google.models.generate_content(model="gemini-x", contents="Say hello.").text)
"""


def test_the_same_line_leads_the_clients_of_other_apis(
    local_instance: Variables, home: Variables, tmp_path: Path
) -> None:
    (tmp_path / "others.py").write_text(OTHERS)
    done = shell(f"{ENV} && python -W ignore others.py", home, tmp_path)
    models = ("anthropic/claude-x", "ollama/llama3.2", "azure/mine", "gemini/gemini-x")
    answers = done.stdout.splitlines()
    assert len(answers) == 4, done.stderr
    assert all(f"from {model} to" in answer for model, answer in zip(models, answers, strict=True))


STREAMED = """\
import anthropic, ollama
from google import genai

asked = [{"role": "user", "content": "Say hello."}]
with anthropic.Anthropic().messages.stream(model="claude-x", max_tokens=99, messages=asked) as stream:
    print("".join(stream.text_stream))
pieces = ollama.chat(model="llama3.2", messages=asked, stream=True)
print("".join(piece.message.content or "" for piece in pieces))
google = genai.Client()
pieces = google.models.generate_content_stream(model="gemini-x", contents="Say hello.")
print("".join(piece.text or "" for piece in pieces))
try:
    anthropic.Anthropic(api_key="x").messages.create(model="claude-x", max_tokens=99, messages=asked)
except anthropic.AuthenticationError:
    print("refused")
"""


@pytest.mark.parametrize("instance", [pytest.param("modal", marks=ON_MODAL)], indirect=True)
def test_unmodified_clients_of_other_apis_get_whole_and_streamed_answers_on_modal(
    instance: Variables, home: Variables, tmp_path: Path
) -> None:
    (tmp_path / "whole.py").write_text(OTHERS)
    (tmp_path / "streamed.py").write_text(STREAMED)
    led = {**home, **instance}
    whole, streamed = (shell(f"python -W ignore {name}.py", led, tmp_path) for name in ("whole", "streamed"))
    answers = whole.stdout.splitlines()
    assert len(answers) == 4, whole.stderr
    assert streamed.stdout.splitlines() == [answers[0], answers[1], answers[3], "refused"], streamed.stderr


@pytest.mark.parametrize("model", [None, "anthropic/claude-x", "azure/mine", "gemini/gemini-x"])
def test_the_token_is_not_taken_for_a_key_of_the_vendor(
    model: str | None, local_instance: Variables, home: Variables, tmp_path: Path
) -> None:
    named = f"--model {model}" if model else ""
    real = f"theoryctl local run --ref {REF} --runtime embedded --mode real {named} --prompt x --json"
    done = shell(f"{ENV} && {real}", home, tmp_path)
    assert json.loads(done.stdout)["error"]["code"] == "ERR_MISSING_SECRET"
    assert done.returncode == 4


@pytest.mark.parametrize("key", [None, "sk-canary-of-the-vendor"])
def test_an_instance_started_there_is_not_led_to_the_other(
    key: str | None, local_instance: Variables, home: Variables, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text(f"OPENAI_API_KEY={key}\n" if key else "")
    env = {**home, **local_instance, "HOME": str(tmp_path)}
    start = ("local", "start", "--ref", REF, "--runtime", "process")
    started = theoryctl(*start, "--env-file", str(tmp_path / ".env"), env=env)
    try:
        assert ("OPENAI_API_KEY" in started["secrets_absent"]) == (key is None)
        variables = Path(f"/proc/{started['pid']}/environ").read_bytes()
        assert b"OPENAI_" not in variables
    finally:
        theoryctl("local", "stop", "--all", env=env)


def test_a_key_of_the_vendor_does_not_go_to_the_instance_either(
    local_instance: Variables, home: Variables, tmp_path: Path
) -> None:
    real = f"theoryctl local run --ref {REF} --runtime embedded --mode real --prompt x --json --timeout 2"
    done = shell(f"{ENV} && OPENAI_API_KEY=sk-canary {real}", {**home, "HTTPS_PROXY": "http://127.0.0.1:9"}, tmp_path)
    document = json.loads(done.stdout)
    assert document["error"]["code"] in ("ERR_UNREACHABLE", "ERR_TIMEOUT")
    assert "OPENAI_BASE_URL" not in document["meta"]["secrets_present"]
