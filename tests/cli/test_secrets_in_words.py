"""A key that was typed where no key can stand: the error says where, and never repeats it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Cli

KEY = "sk-proj-0123456789abcdef"
GIVEN = f"OPENAI_API_KEY={KEY}"


@pytest.mark.parametrize(
    "typed",
    [
        (GIVEN,),
        ("modal", GIVEN),
        ("doctor", GIVEN),
        ("modal", "sync-secrets", GIVEN),
        ("modal", "sync-secrets", f"--env={GIVEN}"),
        ("local", "run", "hi", "--mode", KEY),
        ("explain", KEY, "--json"),
    ],
)
def test_a_key_among_the_words_is_not_repeated(cli: Cli, typed: tuple[str, ...]) -> None:
    ran = cli(*typed)
    assert ran.status == 2
    assert KEY not in ran.out + ran.err and ("…" in ran.err or "got a key" in ran.err)


LETTERS = "sk-abcdefghijkl"


@pytest.mark.parametrize(
    "typed",
    [
        (f"{LETTERS}\n",),
        ("local", "run", "hi", "--mode", f"{LETTERS}\\more"),
        ("local", "run", f"-r{LETTERS}", "hi"),
        ("local", "run", "hi", "--ref", LETTERS, "--json"),
        ("local", "run", "hi", "--attach", f"k={LETTERS}"),
        ("local", "run", "hi", "--mode", "mock", "-o", f"temperature={LETTERS}"),
        ("local", "run", "hi", "--mode", "real", "-m", LETTERS),
        ("--debug", LETTERS),
        ("config", "set", "model", LETTERS),
        ("doctor", "https://me:my-password@example.com"),
    ],
)
def test_no_part_of_an_error_repeats_a_key_however_it_was_typed(cli: Cli, typed: tuple[str, ...]) -> None:
    ran = cli(*typed)
    assert ran.status in (1, 2, 3)
    told = ran.out + ran.err
    assert "abcdefghijkl" not in told and "more" not in told and "my-password" not in told
    assert "…" in told or "got a key" in told


def test_the_value_of_a_key_in_the_environment_is_covered_however_it_is_quoted(cli: Cli) -> None:
    told = cli("local", "run", "hi", "--mode", "a\\b\nc'd\"e", env={"MY_API_KEY": "a\\b\nc'd\"e"}).err
    assert "expected mock or real, got" in told and "c'd" not in told and "b\\n" not in told


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("local", "run", "hi", "--ref", "acme/key-value-store@1"), "acme/key-value-store@1"),
        (("local", "run", "hi", "--ref", "acme/sk-learn-models@1"), "acme/sk-learn-models@1"),
        (("local", "batch", "key-benefits.jsonl", "--out", "rows"), "key-benefits.jsonl"),
        (("local", "batch", "key-benefits-of-2026.jsonl", "--out", "rows"), "key-benefits-of-2026.jsonl"),
        (("local", "batch", "sk-SK-prompts.jsonl", "--out", "rows"), "sk-SK-prompts.jsonl"),
        (("local", "batch", "as-configurations.jsonl", "--out", "rows"), "as-configurations.jsonl"),
    ],
)
def test_a_name_with_words_like_those_of_keys_is_said(cli: Cli, typed: tuple[str, ...], said: str) -> None:
    ran = cli(*typed)
    assert ran.status != 0 and said in ran.err


def test_a_folder_where_keys_are_is_no_secret(cli: Cli, working_folder: Path) -> None:
    there, nowhere = f"{working_folder}/x.txt", "/no/such/folder/x.txt"
    env = {"SSH_KEY_PATH": str(working_folder), "SECRETS_DIR": "/no/such/folder"}
    for path in (there, nowhere):
        assert path in cli("local", "run", "--mode", "mock", "--prompt-file", path, env=env).err


def test_the_name_of_what_was_typed_stays(cli: Cli) -> None:
    assert "has no command 'OPENAI_API_KEY=…'" in cli("modal", GIVEN).err
    assert "has no command 'colour=…'" in cli("modal", "colour=red").err
    assert "expected no words, got set mode real" in cli("doctor", "set", "mode", "real").err


NAMED = [
    ("local", "run", "hi", "-m", KEY),
    ("local", "run", "hi", f"-mopenai/{KEY}", "--json"),
    ("local", "run", "hi", f"--model={KEY}"),
    ("local", "run", "hi", "-o", f"model={KEY}"),
    ("local", "run", "hi", "-m", "gsk_0123456789abcdefghij"),
    ("local", "run", "hi", "--save-dir", KEY),
    ("local", "batch", "lines.jsonl", "--out", KEY),
    ("local", "batch", KEY, "--out", "rows.jsonl"),
    ("local", "start", "--name", KEY, "--runtime", "process"),
    ("local", "status", "--manifests", KEY),
    ("modal", "run", "hi", "--env-file", KEY),
    ("modal", "stop", "--app", KEY),
    ("runs", "report", "--html", KEY),
    ("manifest", "export", "llm/mock@1", "--to", KEY),
    ("mocks", "check", KEY),
]


@pytest.mark.parametrize("typed", NAMED, ids=" ".join)
def test_a_key_for_a_name_a_path_or_a_model_is_refused_before_anything_runs(
    cli: Cli, typed: tuple[str, ...], working_folder: Path
) -> None:
    ran = cli(*typed)
    told = ran.out + ran.err
    assert (ran.status, ", got a key" in ran.err, "0123456789abcdef" in told, list(working_folder.iterdir())) == (
        (2, True, False, [])
    )


def test_a_model_that_is_the_value_of_a_keys_variable_is_refused(cli: Cli) -> None:
    key = "0123456789abcdef0123"
    ran = cli("local", "run", "hi", "-m", f"azure/{key}", "--mode", "mock", env={"AZURE_API_KEY": key})
    assert ran.err.splitlines() == [
        "error ERR_USAGE: --model: expected NAME, got a key",
        " hint: set the key in the environment, or in an env file",
    ]


@pytest.mark.parametrize("name", ["sk-learn-classification", "acme/sk-learn-v2", "production", "pk-model-for-german"])
def test_a_model_with_words_like_those_of_keys_is_asked(cli: Cli, name: str) -> None:
    ran = cli("local", "run", "hi", "-m", name, "--mode", "mock", "--json", env={"KEY_NAME": "production"})
    assert ran.document["model"].endswith(name)


def test_a_prompt_may_be_like_a_key(cli: Cli) -> None:
    assert cli("local", "run", KEY, "--mode", "mock").status == 0
