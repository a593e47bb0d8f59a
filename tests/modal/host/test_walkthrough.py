"""docs/modal.md is true: its commands print what it says."""

from __future__ import annotations

from tests.modal.host.walkthrough import BLOCK, PAGE, run_page


def test_the_walkthrough_prints_what_the_page_says_and_ends_in_a_real_answer() -> None:
    text = PAGE.read_text()
    assert run_page(text) == text, "write it anew: python -m tests.modal.host.walkthrough"
    assert "Hello there!" in BLOCK.findall(text)[2]
    assert "canary" not in text
