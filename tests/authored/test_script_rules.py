"""Rules that never fire, and near misses, are told with their places."""

from __future__ import annotations

from typing import Any

import pytest

from theoryctl_providers.authored.script_rules import findings
from theoryctl_providers.contract import Script

ANSWERS = [{"text": "a"}]


def found(*rules: Any, **more: Any) -> list[str]:
    document = Script.load({"rules": [{"answers": ANSWERS, **rule} for rule in rules], **more}).document
    return [f"{finding.kind}: {finding.what}" for finding in findings(document)]


def user(**says: Any) -> dict[str, Any]:
    return {"when": {"user": says}}


@pytest.mark.parametrize(
    ("above", "below"),
    [
        ({}, user(contains="x")),
        (user(contains="x"), user(contains="xy")),
        (user(contains="x"), user(equals="axb")),
        (user(regex="(?i)x"), user(equals="aXb")),
        (user(regex="x"), user(regex="x", contains="b")),
        ({"when": {"model": "openai/*"}}, {"when": {"model": "openai/gpt-4o", "turn": 2}}),
        ({"when": {"model": "*"}}, {}),
        ({"when": {"model": "gpt-4o"}}, {"when": {"model": "openai/gpt-4o"}}),
        ({"when": {"model": "gpt-*"}}, {"when": {"model": "gpt-4o"}}),
        ({"when": {"tools": ["f"]}}, {"when": {"tools": ["g", "f"]}}),
        ({"answers": [{"tool_calls": [{"name": "f"}]}], "exhausted": "repeat"}, {}),
        ({"when": {"turn": 1}, "answers": [{"tool_calls": [{"name": "f"}]}]}, {"when": {"turn": 1}}),
        ({"when": {"turn": 2}, "exhausted": "restart"}, {"when": {"turn": 2, "attachments": ["*.png"]}}),
    ],
)
def test_a_rule_below_one_that_fits_all_that_it_fits_never_fires(above: Any, below: Any) -> None:
    assert found(above, {**below, "name": "low"}) == [
        "never: rule 2 (low) never fires: rule 1 above it answers all that it fits"
    ]


@pytest.mark.parametrize(
    ("above", "below"),
    [
        ({"exhausted": "skip"}, {}),
        ({"answers": [{"fault": {"probability": 0.5}}]}, {}),
        ({"answers": [{"tool_calls": [{"name": "f"}]}]}, {}),
        (user(contains="xy"), user(contains="x")),
        (user(contains="x"), {}),
        (user(equals="x"), user(contains="x")),
        (user(regex="x"), user(contains="x")),
        ({"when": {"model": "openai/gpt-4o"}}, {"when": {"model": "openai/*"}}),
        ({"when": {"model": "openai/gpt-4o"}}, {"when": {"model": "gpt-4o"}}),
        ({"when": {"model": "o*"}}, {"when": {"model": "openai/gpt-4o"}}),
        ({"when": {"model": "[!g]*"}}, {"when": {"model": "openai/gpt-4o-mini"}}),
        ({"when": {"tools": ["f", "g"]}}, {"when": {"tools": ["f"]}}),
        ({"when": {"turn": 1}}, {"when": {"turn": 2}}),
        ({"when": {"attachments": ["*.png"]}}, {"when": {"attachments": ["*.jpg"]}}),
    ],
)
def test_a_rule_that_may_fire_is_not_told(above: Any, below: Any) -> None:
    assert found(above, below) == []


def test_conditions_that_exclude_each_other_are_told() -> None:
    assert found(user(equals="abc", contains="x")) == [
        "never: rule 1 never fires: equals does not contain what contains wants"
    ]
    assert found(user(equals="abc", regex="^x")) == ["never: rule 1 never fires: equals does not match regex"]
    assert found(user(equals="abc", contains="b", regex="^a")) == []


def test_what_is_ignored_may_make_conditions_hold_that_exclude_each_other() -> None:
    assert found(user(equals="on 2026-01-01", contains="2026-02-02"), ignore=["dates"]) == []


def test_words_that_nearly_say_something_else_are_told() -> None:
    calls = {"answers": [{"tool_calls": [{"name": "get_weather"}]}], "when": {"turn": 1}}
    assert found(calls, {"when": {"tools": ["get_wether"], "turn": 2}}) == [
        "near: a rule calls the tool 'get_weather'; did you mean that?"
    ]
    assert found(user(contains="x"), ignore=["date"]) == ["near: this ignores the word 'date'; did you mean 'dates'?"]
