"""Values of secrets on this machine."""

from __future__ import annotations

import os
from contextlib import closing

import pytest

from theoryctl.runtimes.embedded import EmbeddedSession
from theoryctl.secrets import given_secrets, new_token, read_secrets

LED = {"OPENAI_API_KEY": new_token(), "OPENAI_BASE_URL": "http://127.0.0.1:8000/v1"}


@pytest.fixture
def led(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables that are set as after `local env`, and a key of one's own beside them."""
    for name, value in LED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ANTHROPIC_API_KEY", " sk-own ")
    return LED


def test_the_token_and_the_address_of_an_instance_are_no_secrets_to_pass_on(led: dict[str, str]) -> None:
    # `modal sync-secrets` would put the token into an app's Secret, as the vendor's key.
    assert given_secrets([*led, "ANTHROPIC_API_KEY"]) == {"ANTHROPIC_API_KEY": "sk-own"}


def test_reading_secrets_leaves_the_environment_as_it_is(led: dict[str, str]) -> None:
    before = dict(os.environ)
    read_secrets([*led, "ANTHROPIC_API_KEY"])
    given_secrets(led)
    assert dict(os.environ) == before


def test_the_libraries_of_a_provider_that_runs_here_see_no_instance(led: dict[str, str]) -> None:
    with closing(EmbeddedSession((), "here")):
        assert not led.keys() & os.environ.keys()
        assert os.environ["ANTHROPIC_API_KEY"] == " sk-own "


def test_an_address_beside_a_key_of_ones_own_is_a_secret_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {**LED, "OPENAI_API_KEY": "sk-own"}
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    assert given_secrets(own) == own
