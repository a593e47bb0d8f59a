"""The benchmark of a real call compares LiteLLM's releases, though none may be newer than ours."""

from __future__ import annotations

import pytest

from tests.bench.real import newer
from tests.bench.vendor import vendor


@pytest.mark.slow("tests/bench/real.py", "tests/bench/alone.py")
def test_the_cost_of_a_call_is_compared_with_that_of_another_litellm() -> None:
    with vendor() as secrets:
        compared = newer(secrets, rounds=1, release="1.109.0", calls=20)
    assert compared is not None
    ratio, release = compared
    assert release == "1.109.0"
    assert 0.3 < ratio < 3
