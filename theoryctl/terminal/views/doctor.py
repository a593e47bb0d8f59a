"""View of the result of `theoryctl doctor`."""

from __future__ import annotations

from collections.abc import Iterator

from theoryctl.results.doctor import Checked, Examined, Finding
from theoryctl.terminal.format import paired
from theoryctl.terminal.view import Lines, Paragraph, Views

#: The column in which the text of a finding goes on, if it is broken.
_INDENT = 2


def _examined(result: Examined) -> Lines:
    return Lines(list(_lines(result)), notes=(_count(result),))


def _lines(result: Examined) -> Iterator[str | Paragraph]:
    labels = paired([(part.part, f"{_mark(part):<6}  ") for part in result.parts])
    for label, part in zip(labels, result.parts, strict=True):
        yield Paragraph(label, part.summary, len(label))
    for finding in result.findings:
        yield ""
        yield from _finding(finding)


def _mark(part: Checked) -> str:
    if any(finding.code for finding in part.findings):
        return "error"
    return "advice" if part.findings else "ok"


def _finding(finding: Finding) -> Iterator[str | Paragraph]:
    yield Paragraph(f"error {finding.code}: " if finding.code else "advice: ", finding.what, _INDENT)
    yield Paragraph("  why: ", finding.why, len("  why: "))
    yield f"  run: {finding.command}"  # whole, for those who copy it


def _count(result: Examined) -> str:
    errors = sum(1 for finding in result.findings if finding.code)
    advice = len(result.findings) - errors
    counts = (
        (errors, f"{errors} error{'' if errors == 1 else 's'}"),
        (advice, f"{advice} piece{'' if advice == 1 else 's'} of advice"),
    )
    return ", ".join(words for count, words in counts if count) or "no errors"


VIEWS: Views = {Examined: _examined}
