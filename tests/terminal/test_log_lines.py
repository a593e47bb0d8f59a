"""Lines of a log as people read them."""

from __future__ import annotations

import json
import re

import pytest

from theoryctl.terminal.log_lines import readable_line

LINE: dict[str, object] = {"time": 1767225600.5, "run_id": "run_1", "duration_ms": 0.42, "status": 200, "code": None}


@pytest.mark.parametrize(
    ("facts", "shown"),
    [
        (
            {"model": "openai/gpt-4o-mini", "input_tokens": 9, "output_tokens": 3, "cost_usd": 0.000123},
            "200     0.4 ms  openai/gpt-4o-mini    9 in, 3 out     $0.000123",
        ),
        ({"model": "m", "input_tokens": 9, "output_tokens": None, "cost_usd": 0}, "200 0.4 ms m 9 in $0"),
        ({"method": "GET", "path": "/v1/models", "duration_ms": 1234.5}, "200 1.2 s GET /v1/models"),
        ({"model": "m", "code": "ERR_BAD_RESPONSE"}, "fail 0.4 ms m ERR_BAD_RESPONSE"),
        ({"model": "m", "code": "ERR_AUTH", "status": 401}, "401 0.4 ms m ERR_AUTH"),
        ({"model": "m", "status": None}, "ok 0.4 ms m"),
        ({"model": "a\nb\x1b", "status": 499}, "499 0.4 ms a b\\x1b"),
    ],
)
def test_the_line_of_a_request_is_shown_in_columns(facts: dict[str, object], shown: str) -> None:
    line = readable_line(json.dumps({**LINE, **facts}))
    assert re.match(r"(Dec 31|Jan 01) \d\d:00:00  ", line)
    assert len(line) <= 80
    assert (line[17:] if "  " in shown else " ".join(line[17:].split())) == shown


@pytest.mark.parametrize(
    "line",
    ["", "part 98", "[1]", '{"level": "info"}', "{" * 100_000]
    + [json.dumps({**LINE, **odd}) for odd in ({"time": "now"}, {"time": 1e300}, {"duration_ms": None}, {"code": 7})],
    ids=lambda line: line[:40],
)
def test_a_line_of_anything_else_is_shown_as_it_is(line: str) -> None:
    assert readable_line(line) == line
