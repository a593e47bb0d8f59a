"""Runs asked again, and compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import REF, ROOT, Cli
from tests.ledger.conftest import Ask, rows
from tests.real.conftest import CANARY
from tests.real.vendor import Vendor

CONTENT = {"THEORYCTL_LEDGER": "mock,content"}
MOCK = ("local", "run", "--ref", REF, "--mode", "mock", "--json")
SCRIPT = ("--script", str(ROOT / "docs/answers.yaml"))


@pytest.mark.parametrize(
    "flags",
    [
        ("--prompt", "Say hello."),
        (),
        ("--prompt", "Tell me a story.", *SCRIPT),
        ("--inputs-json", '{"messages": [{"role": "user", "content": "é"}], "model": "anthropic/x", "n": 2}'),
    ],
    ids=["prompt", "example", "script", "inputs"],
)
def test_a_mock_asked_again_gives_the_same_bytes(flags: tuple[str, ...], cli: Cli) -> None:
    first = cli(*MOCK, *flags, env=CONTENT).document
    again = cli("runs", "replay", first["run_id"], "--json", env={**CONTENT, "THEORYCTL_MODEL": "openai/another"})
    assert again.document["outputs"] == first["outputs"]
    assert f"the outputs are those of {first['run_id']}, byte by byte" in again.err
    new, old = rows(cli)
    assert (new["source"], new["outputs_digest"]) == ("replay", old["outputs_digest"])


def test_a_run_that_was_answered_by_a_recording_is_asked_again_from_that_recording(
    ask: Ask, cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    runs = [ask("--record-missing", "recorded", env=CONTENT).document for _ in range(2)]
    assert [run["mode"] for run in runs] == ["real", "mock"]
    (folder := tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(folder)
    again = cli("runs", "replay", runs[1]["run_id"], "--json", env=CONTENT)
    assert (again.document["mode"], again.document["outputs"]) == ("mock", runs[0]["outputs"]), again.err


def test_a_mock_asked_again_says_why_it_runs_in_this_process(cli: Cli) -> None:
    assert cli(*MOCK, "--prompt", "x", env=CONTENT).status == 0
    assert "embedded: mocks are asked again in this process" in cli("runs", "replay", "last").err
    assert "embedded, as --runtime says" in cli("runs", "replay", "last", "--runtime", "embedded").err


def test_a_run_compared_with_itself_has_no_difference(cli: Cli) -> None:
    assert cli(*MOCK, "--prompt", "x", env=CONTENT).status == 0
    assert cli("runs", "diff", "last", "last").out == "no difference\n"
    assert cli(*MOCK, "--prompt", "x", env={"THEORYCTL_LEDGER": "mock"}).status == 0
    assert cli("runs", "diff", "last", "last").out == "no difference\n"


def test_a_real_run_asked_again_says_its_price_first_and_goes_to_the_vendor(ask: Ask, cli: Cli) -> None:
    first = ask(env=CONTENT).document
    with Vendor() as vendor:
        env = {**CONTENT, "OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": vendor.addresses["OPENAI_BASE_URL"]}
        again = cli("runs", "replay", "last", env=env)
        assert len(vendor.requests) == 1
    assert first["usage"]["cost_usd"] == pytest.approx(3.15e-06)
    assert "openai/gpt-4o-mini is asked again; it cost $0.00000315 the last time" in again.err
    assert again.out == "Hello there!\n"


@pytest.mark.parametrize(
    ("flags", "ledger", "reason"),
    [
        (("--prompt", "x"), "mock", "set THEORYCTL_LEDGER to mock,content before"),
        (("--prompt", "x", "--attach", f"a={__file__}"), "mock,content", "files came with its inputs"),
    ],
)
def test_a_run_without_its_inputs_cannot_be_asked_again(
    flags: tuple[str, ...], ledger: str, reason: str, cli: Cli
) -> None:
    assert cli(*MOCK, *flags, env={"THEORYCTL_LEDGER": ledger}).status == 0
    ran = cli("runs", "replay", "--json")
    assert (ran.status, ran.document["error"]["code"]) == (2, "ERR_USAGE")
    assert reason in f"{ran.document['error']['message']}, {ran.document['error']['hint']}"


def test_a_run_whose_inputs_held_a_secret_cannot_be_asked_again(ask: Ask, cli: Cli) -> None:
    ask(prompt=f"My key is {CANARY}.", env=CONTENT)
    ran = cli("runs", "replay", "--json")
    assert (ran.status, "held a secret" in ran.document["error"]["message"]) == (2, True)


def test_a_mock_whose_script_has_changed_is_told_apart(cli: Cli, tmp_path: Path) -> None:
    script = tmp_path / "answers.yaml"
    script.write_text("rules:\n  - answers: [{text: One.}]\n")
    first = cli(*MOCK, "--prompt", "x", "--script", str(script), env=CONTENT)
    assert first.status == 0, first.err
    script.write_text("rules:\n  - answers: [{text: Two.}]\n")
    again = cli("runs", "replay", env=CONTENT)
    assert again.out == "Two.\n"
    new, old = (row["run_id"] for row in rows(cli))
    assert f"the outputs differ: theoryctl runs diff {old} {new}" in again.err
    shown = cli("runs", "diff", old, new)
    assert "-One.\n+Two.\n" in shown.out and "source: run -> replay" in shown.out
    document = cli("runs", "diff", old, new, "--json").document
    assert (document["same_inputs"], document["same_outputs"]) == (True, False)
    assert document["runs"] == [old, new]


def test_runs_without_content_are_compared_by_their_columns(cli: Cli) -> None:
    ids = [
        json.loads(cli(*MOCK, "--prompt", "x", "--model", model, env={"THEORYCTL_LEDGER": "mock"}).out)["run_id"]
        for model in ("a/x", "b/y")
    ]
    ran = cli("runs", "diff", *ids)
    assert "model: a/x -> b/y\n" in ran.out
    assert "were not kept: THEORYCTL_LEDGER=content keeps them" in ran.err


def test_embeddings_are_asked_again_as_what_they_were(cli: Cli, environment: dict[str, str], tmp_path: Path) -> None:
    environment["THEORYCTL_LEDGER"] = "mock,content"
    body = {"model": "openai/text-embedding-3-small", "input": ["a", "b"]}
    lines = tmp_path / "lines.jsonl"
    lines.write_text(json.dumps({"custom_id": "1", "method": "POST", "url": "/v1/embeddings", "body": body}))
    ran = cli("local", "batch", str(lines), "--out", str(tmp_path / "rows.jsonl"), "--ref", REF, "--mode", "mock")
    assert ran.status == 0, ran.err
    again = cli("runs", "replay")
    assert (again.status, "byte by byte" in again.err) == (0, True), again.err
    assert [row["operation"] for row in rows(cli)] == ["embeddings", "embeddings"]
    spans = json.loads(cli("runs", "export", "--otlp").out)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert {span["name"] for span in spans} == {"embeddings openai/text-embedding-3-small"}
    refused = cli("runs", "replay", "last", "--runtime", "process")
    assert (refused.status, "hint: theoryctl runs replay last" in refused.err) == (2, True)
