"""A key that was typed where no key can stand: the error says where, and never repeats it."""

from __future__ import annotations

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
    assert KEY not in ran.out + ran.err and "…" in ran.err


def test_the_name_of_what_was_typed_stays(cli: Cli) -> None:
    assert "No such command 'OPENAI_API_KEY=…'." in cli("modal", GIVEN).err
    assert "No such command 'colour=…'." in cli("modal", "colour=red").err
    assert "(set mode real)" in cli("doctor", "set", "mode", "real").err
