"""Words after `config`, which other programs take: the hint sets the setting in the shell, or shows it."""

from __future__ import annotations

import shlex

import pytest

from tests.conftest import Cli


def test_a_setting_that_was_to_be_set_is_exported(cli: Cli) -> None:
    refused = cli("config", "set", "max-cost-per-day", "2 USD", "--json")
    hint = refused.document["error"]["hint"]
    assert (refused.status, shlex.split(hint)) == (2, ["export", "THEORYCTL_MAX_COST_PER_DAY=2 USD"])


@pytest.mark.parametrize("words", [("get", "mode"), ("mode",), ("set", "mode"), ("set",), ("set", "colour", "red")])
def test_any_other_word_leads_to_the_settings(cli: Cli, words: tuple[str, ...]) -> None:
    refused = cli("config", *words)
    assert (refused.status, refused.out) == (2, "")
    assert refused.err.endswith(" hint: theoryctl config\n")
