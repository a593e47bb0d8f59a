"""Requests of every wire with one part that became something else: never a 500, and always JSON or an answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from tests.providers.started import TOKEN
from tests.wires.bodies import BODIES
from tests.wires.conftest import Instance

KEYS = {"x_api_key": TOKEN, "api_key": TOKEN, "x_goog_api_key": TOKEN, "authorization": f"Bearer {TOKEN}"}
EACH = pytest.mark.parametrize(("path", "body"), BODIES, ids=[path for path, _ in BODIES])

#: What a part becomes.
VALUES: tuple[Any, ...] = ([], "x", None, -1.5, {"type": []})


def places(value: Any, *above: str | int) -> Iterator[tuple[str | int, ...]]:
    """The ways to each part of a body, and to the body itself."""
    yield above
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for place, part in parts:
        yield from places(part, *above, place)


def replaced(body: Any, place: tuple[str | int, ...], value: Any) -> Any:
    if not place:
        return value
    changed = deepcopy(body)
    *above, last = place
    inner = changed
    for step in above:
        inner = inner[step]
    inner[last] = value
    return changed


@EACH
def test_a_right_body_is_answered(instance: Instance, path: str, body: Any) -> None:
    answer = instance.ask(path, body, **KEYS)
    assert answer.status == 200, answer.body


@EACH
def test_no_change_of_a_part_is_a_bug_of_ours(instance: Instance, path: str, body: Any) -> None:
    for place in places(body):
        for value in VALUES:
            answer = instance.ask(path, replaced(body, place, value), **KEYS)
            assert answer.status < 500, (place, value, answer.body)
            assert answer.status == 200 or json.loads(answer.body)
