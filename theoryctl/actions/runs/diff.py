"""The work behind `theoryctl runs diff`: two runs side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import unified_diff
from typing import Any

from theoryctl.actions.runs.ledger import Tell, look_up
from theoryctl.ledger.content import Content
from theoryctl.results.runs import RunsCompared

#: Columns that differ between any two runs.
_ALWAYS = ("run_id", "started_at")


def diff(first: str, second: str, tell: Tell) -> RunsCompared:
    """Compare two runs: the columns that differ, and where both have content, its lines. Raises as `look_up` does."""
    (one, content), (other, other_content) = look_up(first, tell), look_up(second, tell)
    a, b = one.document(), other.document()
    fields = tuple((name, a[name], b[name]) for name in a if name not in _ALWAYS and a[name] != b[name])
    lines = tuple(_lines(content, other_content, one.run_id, other.run_id)) if content and other_content else None
    return RunsCompared(one, other, fields, lines)


def _lines(one: Content, other: Content, first: str, second: str) -> Iterator[str]:
    for part in ("inputs", "outputs"):
        old, new = (_text(json.loads(getattr(content, part))) for content in (one, other))
        yield from unified_diff(old, new, f"{part} of {first}", f"{part} of {second}", lineterm="", n=2)


def _text(value: Any) -> list[str]:
    """A JSON value in lines; of outputs the texts as they are, so that their lines can be compared."""
    if isinstance(value, list) and all(isinstance(item, dict) and "name" in item for item in value):
        return [line for item in value for line in (f"[{item['name']}]", *_output(item))]
    return json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True).splitlines()


def _output(item: dict[str, Any]) -> list[str]:
    return item["text"].splitlines() if isinstance(item.get("text"), str) else _text(item.get("json", item["digest"]))
