"""`theoryctl explain` and docs/troubleshooting.md: a cause and a cure for every error code."""

from __future__ import annotations

import re

import pytest

from tests.conftest import ROOT, Cli
from tests.helptexts import every_command
from theoryctl import errors
from theoryctl.actions.explain import explain
from theoryctl_providers.contract import ERRORS

SOURCE = (ROOT / "theoryctl/errors.md").read_text()
COMMANDS = {" ".join(words) for words in every_command()}


@pytest.mark.parametrize("code", ERRORS)
def test_every_code_has_a_cause_and_a_cure_of_its_own(code: str, cli: Cli) -> None:
    document = cli("explain", code, "--json").document
    assert (document["code"], document["exit_status"]) == (code, ERRORS[code].exit_status)
    page = " ".join((ROOT / "docs/troubleshooting.md").read_text().split())
    section = page.partition(f"## {code} ")[2].partition("## ERR")[0]
    for text in (document["cause"], document["cure"]):
        assert text in section and len(text) > 15
    assert SOURCE.count(document["cause"].split(". ")[0][:60]) <= 1


def test_no_section_is_of_a_code_that_does_not_exist() -> None:
    assert re.findall(r"^## (.*)$", SOURCE, re.M) == list(ERRORS)
    assert errors.__file__ == str(ROOT / "theoryctl/errors.py")


@pytest.mark.parametrize("typed", ["err_docker", "DOCKER", "docker"])
def test_a_code_may_be_typed_in_short(typed: str, cli: Cli) -> None:
    assert cli("explain", typed).out == cli("explain", "ERR_DOCKER").out


def test_an_unknown_code_leads_to_a_near_one(cli: Cli) -> None:
    refused = cli("explain", "ERR_DOKCER")
    assert (refused.status, refused.err.splitlines()[-1].strip()) == (2, "hint: theoryctl explain ERR_DOCKER")
    assert cli("explain", "x" * 300).err.endswith(" hint: theoryctl explain\n")


@pytest.mark.parametrize("typed", ["ERR_SECRET_MISSING", "secret", "missing secret"])
def test_the_words_of_a_code_lead_to_it_in_any_order(typed: str, cli: Cli) -> None:
    found = cli("explain", typed, "--json").document
    meant = found["error"]["hint"].split()[-1] if found.get("error") else found["code"]
    assert meant == "ERR_MISSING_SECRET"


@pytest.mark.parametrize("typed", ["not", "not found", "err", "batch"])
def test_words_of_several_codes_or_none_lead_to_the_list(typed: str, cli: Cli) -> None:
    assert cli("explain", typed, "--json").document["error"]["hint"] == "theoryctl explain"


def test_without_a_code_all_are_listed(cli: Cli) -> None:
    assert [line.split("\t")[0] for line in cli("explain").out.splitlines()] == list(ERRORS)
    assert [row["code"] for row in cli("explain", "--json").document["codes"]] == list(ERRORS)


@pytest.mark.parametrize("code", ERRORS)
def test_a_command_that_an_explanation_names_exists(code: str) -> None:
    explained = explain(code)
    for line in re.findall(r"`theoryctl ([^`]+)`", f"{explained.cause} {explained.cure}"):
        words = re.match(r"[a-z -]*[a-z]", re.sub(r" (--|[A-Z]).*", "", line))
        assert words and words[0] in COMMANDS, line
