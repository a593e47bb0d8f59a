"""The page about a batch: the report of `runs` for the rows in its file, those of earlier runs too."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from theoryctl.actions.batch_plan import BatchOptions, Listener
from theoryctl.actions.targets import Target
from theoryctl.errors import MissingPackage, OutputFailed, UsageError
from theoryctl.hints import again
from theoryctl.ledger.row import Row, row_of
from theoryctl.results.batch import BatchResult
from theoryctl_providers.contract import info_of
from theoryctl_providers.contract.files import replace_file

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
    except OSError as error:
        failure = OutputFailed(f"--report {options.report}: {error.strerror}", hint=again("name another file"))
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
    folder = os.path.dirname(os.path.abspath(report))
    if not os.access(folder, os.W_OK) or os.path.isdir(report):
        raise OutputFailed(f"--report {report}: no file can be written there", hint=f"mkdir -p {folder}")


def _write(options: BatchOptions, report: str) -> None:
    """Write the page. Raises OSError."""
    from theoryctl.ledger.report.page import page
    from theoryctl.ledger.report.rows import figures_of

    assert options.out is not None
    figures = figures_of(_rows(options.out))
    replace_file(Path(report), page(figures, f"The batch {os.path.basename(options.out)}").encode(), private=False)


def _rows(out: str) -> Iterator[Row]:
    """The rows as the ledger has them. A batch that got no answer has no file."""
    if not os.path.exists(out):
        return
    with open(out, "rb") as file:
        for line in file:
            yield row_of(json.loads(line), "batch")
