"""`manifest show`: the file, a page that sums it up, its example and its schema."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.conftest import REF, Cli
from tests.manifests.written import put


def test_show_says_which_file_a_ref_is(cli: Cli, tmp_path: Path) -> None:
    file = put(tmp_path / "m", REF)
    shown = cli("manifest", "show", REF, "--manifests", str(tmp_path / "m"), "--json").document
    assert (shown["file"], shown["source"], shown["manifest"]["title"]) == (str(file), "--manifests", "mine")
    plain = cli("manifest", "show", REF, "--manifests", str(tmp_path / "m"))
    assert facts(plain.out)["file"] == f"{file} (--manifests)"
    assert facts(plain.out)["example"].endswith(f" --manifests {tmp_path / 'm'} --mode mock")


def facts(shown: str) -> dict[str, str]:
    """The first line of each fact, by its name."""
    lines = [line for line in shown.splitlines() if not line.startswith(" ")]
    return {name: rest.strip() for name, _, rest in (line.partition("  ") for line in lines)}


def test_show_sums_a_manifest_up_on_one_page(cli: Cli) -> None:
    shown = cli("manifest", "show", REF, env={"ANTHROPIC_API_KEY": "sk-canary-0123456789"})
    assert shown.out == cli("manifest", "show", REF, env={"ANTHROPIC_API_KEY": "another"}).out, "from the cache"
    assert 15 <= len(shown.out.splitlines()) <= 25
    assert (facts(shown.out)["model"], facts(shown.out)["inputs"]) == ("openai/gpt-4o-mini (default)", "messages")
    states = dict(re.findall(r"([A-Z_]+_API_KEY) +((?:not )?set)", shown.out))
    assert (states["OPENAI_API_KEY"], states["ANTHROPIC_API_KEY"]) == ("not set", "set")
    assert "canary" not in shown.out + shown.err


def test_show_takes_any_key_that_does_for_set_and_names_the_vendors_that_have_none(cli: Cli) -> None:
    shown = cli("manifest", "show", REF, env={"GOOGLE_API_KEY": "key"}).out
    assert re.search(r"GEMINI_API_KEY +not needed: GOOGLE_API_KEY is set", shown)
    others = facts(shown)["others for"]
    assert "bedrock/*" in others and "gemini/*" not in others


def test_the_example_that_show_gives_works(cli: Cli) -> None:
    example = facts(cli("manifest", "show", REF).out)["example"].split()
    assert cli(*example[1:]).status == 0


def test_show_prints_the_schema_of_the_inputs_alone(cli: Cli) -> None:
    schema = cli("manifest", "show", REF, "--json").document["manifest"]["inputs"]
    assert json.loads(cli("manifest", "show", REF, "--schema").out) == schema
    assert cli("manifest", "show", REF, "--schema", "--json").document == schema
