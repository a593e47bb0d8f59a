"""`theoryctl models`: vendors and their keys, models and prices, without loading LiteLLM."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli

KEY = "sk-canary-0123456789abcdef"


@pytest.fixture(scope="module")
def table() -> dict[str, Any]:
    """LiteLLM's own table."""
    spec = find_spec("litellm")
    assert spec and spec.origin
    table = json.loads((Path(spec.origin).parent / "model_prices_and_context_window_backup.json").read_bytes())
    assert isinstance(table, dict)
    return table


def test_the_vendors_are_listed_with_the_keys_they_want_and_whether_those_are_set(cli: Cli) -> None:
    shown = cli("models", env={"GEMINI_API_KEY": KEY, "AZURE_API_KEY": KEY, "OPENAI_API_KEY": "theoryctl-abc"})
    rows = {row.split("\t")[0]: row.split("\t") for row in shown.out.splitlines()}
    assert rows["gemini"][1:3] == ["GEMINI_API_KEY or GOOGLE_API_KEY", "yes"]
    assert rows["azure"][2] == "no"  # the address is missing
    assert rows["openai"][2] == "no"  # the token of an instance
    assert rows["ollama"][1:3] == ["nothing", "yes"]
    assert KEY not in shown.out + shown.err


@pytest.mark.parametrize(
    ("model", "entry"),
    [
        ("openai/gpt-4o-mini", "gpt-4o-mini"),
        ("mistral/mistral-large-latest", "mistral/mistral-large-latest"),
        ("openai/text-embedding-3-small", "text-embedding-3-small"),
    ],
)
def test_prices_and_context_are_those_of_litellm(cli: Cli, table: dict[str, Any], model: str, entry: str) -> None:
    rows = cli("models", model, "--json").document["models"]
    (row,) = [row for row in rows if row["model"] == model]
    assert (row["context"], row["input_price"], row["output_price"]) == (
        table[entry]["max_input_tokens"],
        table[entry]["input_cost_per_token"],
        table[entry]["output_cost_per_token"],
    )


def test_words_narrow_the_list_and_a_vendors_name_means_that_vendor(cli: Cli) -> None:
    everything = cli("models", "--json").document["models"]
    minis = cli("models", "openai", "MINI", "--json").document["models"]
    assert 0 < len(minis) < len(everything)
    assert all(row["model"].startswith("openai/") and "mini" in row["model"] for row in minis)
    kinds = {row["kind"] for row in cli("models", "embedding", "--json").document["models"]}
    assert "embedding" in kinds
    nothing = cli("models", "no-such-model")
    assert (nothing.status, nothing.out, nothing.err) == (0, "", "no model has that in its name\n")


@pytest.mark.parametrize(("typed", "near"), [(("claude", "sonet"), "claude sonnet"), (("gmeini",), "gemini")])
def test_a_misspelt_word_is_answered_with_the_command_that_finds_models(
    cli: Cli, typed: tuple[str, ...], near: str
) -> None:
    nothing = cli("models", *typed)
    assert nothing.err == f"no model has that in its name; theoryctl models {near} finds some\n"
    assert cli("models", *near.split(), "--json").document["models"]


def test_at_a_terminal_prices_are_dollars_for_a_million_tokens(cli: Cli, table: dict[str, Any]) -> None:
    price = table["gpt-4o-mini"]["input_cost_per_token"] * 1e6
    lines = cli("models", "openai/gpt-4o-mini").out.splitlines()
    (row,) = [line for line in lines if line.startswith("openai/gpt-4o-mini\t")]
    assert row.split("\t")[3] == f"{price:g}"


def test_without_litellm_prices_are_unknown_and_one_command_brings_them(environment: dict[str, str]) -> None:
    program = (
        "import sys; sys.modules['litellm'] = None\n"
        "from theoryctl.__main__ import main; sys.exit(main(['models', 'gpt', '--json']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    document = json.loads(done.stdout)
    assert (document["source"], done.returncode) == (None, 0)
    assert {"model": "openai/gpt-4o-mini", "input_price": None, "context": None}.items() <= document["models"][
        0
    ].items()
    assert document["install"].startswith(f"{sys.executable} -m pip install")
