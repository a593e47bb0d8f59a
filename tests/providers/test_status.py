"""Errors of vendors over HTTP: their words, and hints that name what there is."""

from __future__ import annotations

import time

import pytest

from theoryctl_providers.status import LONGEST_BODY, quote


@pytest.mark.parametrize(
    "said",
    [
        "unknown parameter 'key_value_store'",
        "no index pk_primary_index",
        "no module sk_learn_pipeline, key-value-store",
    ],
)
def test_words_that_only_begin_like_a_key_stay_in_what_the_vendor_said(said: str) -> None:
    assert quote(said) == f": {said}"


@pytest.mark.parametrize(
    "key",
    [
        "sk-proj-abc_def",
        "sk-abcd****wxyz",
        "r8_a1b2c3d4e5f6g7",
        "gsk_abcdefghijklmnop",
        "key-0123456789abcdef",
        "Bearer \n abcdefgh",
    ],
)
def test_a_key_in_what_the_vendor_said_is_covered(key: str) -> None:
    assert quote(f"the key {key} is wrong").endswith("[key] is wrong")


def test_no_text_of_a_vendor_makes_the_search_for_keys_long() -> None:
    began = time.process_time()
    for piece in ("sk-", "http://a:", ":", "sk-a1b2-"):
        assert quote(f"http://{piece * LONGEST_BODY}"[:LONGEST_BODY])
    assert time.process_time() - began < 2
