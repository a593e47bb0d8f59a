"""Rules on secrets as they travel to an image, which may be older than the CLI that tells it of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from theoryctl.modal import theoryctl_shim as shim
from theoryctl_providers.contract import (
    ProviderConfig,
    ProviderError,
    SecretRule,
    ServerConfig,
    dump_config,
    load_config,
    settled,
)
from theoryctl_providers.engine.secrets import check_secrets

BEDROCK = SecretRule(name="TOKEN", alternatives=(("ID", "SECRET"), ("PROFILE",)), models=("bedrock/*",))
KEYS: tuple[set[str], ...] = ({"TOKEN"}, {"ID", "SECRET"}, {"PROFILE"}, {"ID"}, set())

#: What images built before there were alternatives read of a rule; they refuse any other key.
OLDER = {"name", "required", "models", "description"}


def named(given: object) -> str:
    """Name a case, the same in every process: a set's own text is not."""
    return "-".join(sorted(given)) if isinstance(given, set) else "unknown"


def required(rules: Sequence[SecretRule]) -> list[str]:
    return [rule.name for rule in rules if rule.required]


@pytest.mark.parametrize(
    ("given", "names"),
    list(zip(KEYS, (["TOKEN"], ["ID", "SECRET"], ["PROFILE"], ["TOKEN"], ["TOKEN"]), strict=True)),
    ids=range(len(KEYS)),
)
def test_of_what_does_in_each_others_place_the_first_that_is_whole_counts(given: set[str], names: list[str]) -> None:
    rules = list(settled([BEDROCK], given))
    assert ([rule.name for rule in rules], required(rules)) == (["TOKEN", "ID", "SECRET", "PROFILE"], names)


def test_where_nobody_knows_what_is_set_no_alternative_is_required() -> None:
    rules = list(settled([BEDROCK, SecretRule(name="REGION")], None))
    assert required(rules) == ["REGION"]


@pytest.mark.parametrize("given", [*KEYS, None], ids=named)
def test_an_older_image_reads_the_rules_that_a_newer_cli_sends(given: set[str] | None) -> None:
    config = ProviderConfig(secret_rules=(BEDROCK,), secrets=dict.fromkeys(given or (), "key"))
    told = json.loads(ServerConfig(provider=config, token="x" * 32).dump())["provider"]
    for document in (told, dump_config(config, given)):
        assert {key for rule in document["secret_rules"] for key in rule} == OLDER


@pytest.mark.parametrize("given", KEYS, ids=named)
def test_modal_makes_the_same_of_the_rules_where_the_keys_are(given: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in given:
        monkeypatch.setenv(name, "key")
    config = ProviderConfig(secret_rules=(BEDROCK,))
    rules: Any = [{**rule, "alternatives": BEDROCK.alternatives} for rule in _plain(BEDROCK)]
    call = {"config": dump_config(config, None), "request": {"inputs": {}, "mode": "real"}}
    newer = shim._request({**call, "secret_rules": rules}, []).config
    assert newer.secret_rules == tuple(settled([BEDROCK], given))
    assert set(newer.secrets) == given
    assert required(shim._request(call, []).config.secret_rules) == []  # asked by an older CLI


def test_a_server_says_all_that_would_do_although_it_was_told_less() -> None:
    told = load_config(dump_config(ProviderConfig(secret_rules=(BEDROCK,)), set())).secret_rules
    for own, wanted in (([BEDROCK], "TOKEN, or ID and SECRET, or PROFILE"), ([], "TOKEN, which is not set")):
        with pytest.raises(ProviderError, match=wanted):
            check_secrets(told, {}, "bedrock/x", own)


def test_a_variable_that_no_rule_here_names_is_not_said_to_do() -> None:
    with pytest.raises(ProviderError, match="bedrock/x needs TOKEN, which is not set"):
        check_secrets([SecretRule(name="TOKEN")], {}, "bedrock/x", [BEDROCK])


def _plain(rule: SecretRule) -> list[dict[str, Any]]:
    return [{"name": rule.name, "required": rule.required, "models": rule.models, "description": rule.description}]


@pytest.mark.parametrize(
    ("pattern", "model", "fits"),
    [
        ("openai/*", "openai/gpt-4o", True),
        ("openai/*", "openai_like/x", False),
        ("*", "x/y", True),
        ("a[bc]/*", "ab/x", True),
        ("*/gpt-?", "x/gpt-4", True),
        ("openai/gpt", "openai/gpt", True),
        ("openai/gpt", "openai/gpt-4", False),
    ],
)
def test_a_rule_is_about_the_models_that_a_shell_would_match(pattern: str, model: str, fits: bool) -> None:
    assert SecretRule(name="A", models=(pattern,)).applies_to(model) is fits
