"""An answer takes little more memory than its text, into however many pieces that is cut."""

from __future__ import annotations

import tracemalloc
from random import Random
from typing import Any

import pytest

from theoryctl_providers.contract import Delta
from theoryctl_providers.contract.answer import Answer


@pytest.mark.parametrize("kind", ["text", "reasoning", "refusal"])
def test_pieces_take_little_more_memory_than_their_text(kind: str) -> None:
    cut = Random(1)
    pieces = ["abcdefgh"[: cut.randint(1, 8)] for _ in range(20_000)]
    answer = Answer()
    tracemalloc.start()
    try:
        for piece in pieces:
            said: dict[str, Any] = {kind: "".join(list(piece))}  # a text of its own, as each that is read
            answer.add(Delta(**said))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    held = answer.choices[0].pieces if kind == "text" else getattr(answer.choices[0], kind)
    assert "".join(held) == "".join(pieces)
    assert taken < 2 * sum(map(len, pieces)) + 10_000
