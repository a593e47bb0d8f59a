"""Patterns that no word can match are told from those that some word may match."""

from __future__ import annotations

import pytest

from theoryctl_providers.authored.patterns import may_match_word


@pytest.mark.parametrize(
    "pattern",
    [r"build 4\d", "(a b)+", r"\s+\d", r"\(x\)", "x y|z w", "a(, | )b", "<a>", r"[^\]] x", "((a )|( b))", "a {1,2}b"],
)
def test_a_pattern_that_needs_what_stands_between_words_matches_none(pattern: str) -> None:
    assert not may_match_word(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "a|b c",
        "(a b)?c",
        "a,?b",
        " {0,2}a",
        "[a, ]b",
        "(?i)run",
        "(?:a|b c)d",
        r"\p{L}+",
        "(?P<n>a)",
        "[a[b] ]",
        "(?x) a b",
        r"\bfoo\b",
        r"[\]]",
        "a{1,2}",
    ],
)
def test_a_pattern_of_which_a_part_may_be_left_out_or_chosen_may_match(pattern: str) -> None:
    assert may_match_word(pattern)
