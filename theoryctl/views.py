"""Results in words: what `ui.py` prints, as plain text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from theoryctl.results import ManifestRow
from theoryctl_providers.contract import Envelope, OutputDocument, UsageDocument, dumps


def run_summary(envelope: Envelope) -> Iterator[str]:
    """What people want to know of a run besides its answer: status, usage, cost, time, attachments."""
    took = f"{envelope['meta']['duration_ms']} ms"
    facts = [envelope["status"], *usage_words(envelope["usage"]), took]
    yield " · ".join(facts)
    for attachment in envelope["meta"]["attachments"]:
        digest = attachment["digest"][:19]
        yield f"attached {attachment['name']}: {attachment['media_type']}, {size_words(attachment['size'])}, {digest}…"
    if any(
        output["name"].startswith("finish_reason") and output.get("text") == "length" for output in envelope["outputs"]
    ):
        yield "the answer was cut at its token limit: raise max_completion_tokens for more"


def usage_words(usage: UsageDocument) -> Iterator[str]:
    """`12 tokens in, 9 out` and `$0.000123`, as far as they are known."""
    if usage["input_tokens"] is not None:
        yield f"{usage['input_tokens']} tokens in, {usage['output_tokens']} out"
    if usage["cost_usd"] is not None:
        yield f"${usage['cost_usd']:.6f}".rstrip("0").rstrip(".") if usage["cost_usd"] else "$0"


def size_words(size: int) -> str:
    """Bytes in the largest decimal unit that leaves at least 1."""
    amount, units = float(size), ["B", "kB", "MB", "GB"]
    while amount >= 1000 and len(units) > 1:
        amount /= 1000
        units.pop(0)
    return f"{amount:.0f} {units[0]}" if units[0] == "B" else f"{amount:.1f} {units[0]}"


def by_choice(output: OutputDocument) -> tuple[int, str]:
    """A sort key that keeps the outputs of one choice together: `answer.10` comes after `answer.2`."""
    name, _, choice = output["name"].partition(".")
    return int(choice) if choice.isdigit() else 0, name


def tool_call_line(call: dict[str, Any]) -> str:
    """One tool call on one line: its name, then its arguments as JSON."""
    return f"{call['name']} {dumps(call['arguments'])}"


def cells(row: ManifestRow) -> tuple[str, ...]:
    """A manifest's line in the table; a broken one shows its code where its title would be."""
    return (row.ref, row.problem or row.title, row.provider, row.model, row.source)
