"""The page about a batch: the report of `runs` for the rows in its file, those of earlier runs too."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace

from theoryctl.actions.batch_plan import BatchOptions, Listener
from theoryctl.actions.report_place import check_place
from theoryctl.actions.targets import Target
from theoryctl.errors import MissingPackage, OutputFailed, UsageError
from theoryctl.hints import again
from theoryctl.ledger.row import Row, row_of
from theoryctl.results.batch import BatchResult
from theoryctl_providers.contract import info_of
from theoryctl_providers.contract.files import replace_named_file

#: Asks the lines of a batch.
Ask = Callable[[BatchOptions, Target, Listener], BatchResult]


def with_report(ask: Ask, options: BatchOptions, target: Target, listener: Listener) -> BatchResult:
    """Ask the lines of a batch, and write the page that `options.report` names, if it names one.

    Raises what `ask` does, and before it UsageError, OutputFailed and MissingPackage where no page could be written.
    """
    if options.report is None:
        return ask(options, target, listener)
    _check(options, options.report)
    result = ask(options, target, listener)
    try:
        _write(options, options.report)
    except OutputFailed as failure:
        return replace(result, error=result.error or info_of(failure))
    return replace(result, report=options.report)


def _check(options: BatchOptions, report: str) -> None:
    from importlib.util import find_spec

    if options.is_streamed:
        raise UsageError(
            "--report: expected a file in --out, which it is made of", hint=again("name one", out="rows.jsonl")
        )
    if options.form != "theoryctl":
        message = "--report: rows of OpenAI's batches tell neither times nor the model of a failure"
        raise UsageError(message, hint=again("write rows of ours", form=None))
    if find_spec("pygal") is None:
        raise MissingPackage("pygal")
    check_place(report, "page.html")
    for whose, other in (("the rows", options.out), ("the lines", options.source)):
        if other is not None and _is_same(report, other):
            message = f"--report {report}: expected a file of its own, got that of {whose}"
            raise UsageError(message, hint=again("name another file", report="page.html"))


def _is_same(one: str, other: str) -> bool:
    if os.path.exists(one) and os.path.exists(other):
        return os.path.samefile(one, other)
    return os.path.realpath(one) == os.path.realpath(other)


def _write(options: BatchOptions, report: str) -> None:
    """Write the page. Raises OutputFailed."""
    from theoryctl.ledger.report.page import page
    from theoryctl.ledger.report.rows import figures_of

    assert options.out is not None
    figures = figures_of(_rows(options.out))
    data = page(figures, f"The batch {os.path.basename(options.out)}").encode()
    try:
        replace_named_file(report, data)
    except OSError as error:
        hint = again("name another file", report="page.html")
        raise OutputFailed(f"--report {report}: {error.strerror}", hint=hint) from None


def _rows(out: str) -> Iterator[Row]:
    """The rows as the ledger has them. A batch that got no answer has no file. Raises OutputFailed."""
    from theoryctl.ledger.report.rows import check_types

    if not os.path.exists(out):
        return
    with open(out, "rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = row_of(json.loads(line), "batch")
                check_types(row)
                yield row
            except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
                message = f"--report: row {number} of {out}: expected an envelope, got another row: {error!r:.100}"
                raise OutputFailed(message, hint=again("write no page", report=None)) from None
