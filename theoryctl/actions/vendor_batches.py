"""Batches that vendors have: all of this machine, by their records."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any

from theoryctl.actions.batch_plan import BatchOptions, Listener, plan_of, setting_of
from theoryctl.actions.targets import Target, embedded_target
from theoryctl.actions.vendor_batch import KEPT, shown, vendor_batch
from theoryctl.actions.vendor_wait import StillWorking, Wait
from theoryctl.batch.vendors.desk import Desk
from theoryctl.batch.vendors.record import Record, file_of, records
from theoryctl.batch.vendors.standing import Found, look_at
from theoryctl.errors import Interrupted, OutputFailed, UsageError
from theoryctl.hints import again, command
from theoryctl.manifests.catalog import Catalog
from theoryctl.refs import ProviderRef
from theoryctl.requests.mock_flags import MockFlags
from theoryctl.results.batch import BatchesCollected, BatchResult, VendorBatch, VendorBatches
from theoryctl.runtimes.config import provider_config
from theoryctl.runtimes.find import EMBEDDED
from theoryctl_providers.contract import ErrorInfo, ProviderError, info_of


def show_batches(outs: Sequence[str], env_file: str | None) -> VendorBatches:
    """Ask the vendors for the batches of these files of rows, or of all. A vendor that fails is told with its batch.

    A record that cannot be read is told beside them. Raises UsageError for a file that no batch is for.
    """
    batches, errors = list[VendorBatch](), list[ErrorInfo]()
    for record in _chosen(outs):
        if isinstance(record, OutputFailed):
            errors.append(info_of(record))
        else:
            batches += [shown(found, record.options["out"]) for found in _found(record, env_file)]
    return VendorBatches(tuple(batches), tuple(errors))


def collect_batches(
    outs: Sequence[str], env_file: str | None, listener: Listener, wait: Wait | None = None
) -> BatchesCollected:
    """Take the answers of the batches of these files of rows, or of all; nothing is submitted.

    With `wait` all lines are checked first, and those of a file are taken once all its batches have ended. Raises
    UsageError for a file that no batch is for. The error of one batch, of its record, or of the wait, Ctrl-C too, is in
    a result; the wait's is the first one.
    """
    chosen = _chosen(outs)
    results: list[BatchResult | ProviderError] = [each for each in chosen if isinstance(each, OutputFailed)]
    ready = [each for each in chosen if isinstance(each, Record)]
    try:
        if wait is not None:
            ready, wrong = _checked(ready, env_file)
            results += wrong
            for error in wrong if ready else ():
                listener.tell(f"not waited for: {error.message}")
        for record in wait.ended(ready, lambda each: list(_found(each, env_file))) if wait else ready:
            results.append(_collected(record, env_file, listener, wait))
            if _is_interrupted(results[-1]):
                break
    except StillWorking as error:
        results.append(error)
    except KeyboardInterrupt:
        results.append(Interrupted("interrupted: the batches go on at the vendor", hint=again("run it again")))
    return BatchesCollected(tuple(sorted(results, key=lambda each: not isinstance(each, StillWorking))))


def _here() -> Target:
    return embedded_target(": its vendor is asked from here")


def _checked(records: Sequence[Record], env_file: str | None) -> tuple[list[Record], list[ProviderError]]:
    """The records whose lines are there and can be asked, and the errors of the others."""
    ready, wrong = list[Record](), list[ProviderError]()
    for record in records:
        try:
            with ExitStack() as opened:
                options = replace(_options(record.options, env_file), out=None)  # nobody else has to wait
                target = _here()
                plan_of(setting_of(options, target, opened), options, target, None)
            ready.append(record)
        except ProviderError as error:
            wrong.append(error)
    return ready, wrong


def _is_interrupted(result: BatchResult | ProviderError) -> bool:
    info = info_of(result) if isinstance(result, ProviderError) else result.error
    return info is not None and info["code"] == Interrupted.error_code


def _chosen(outs: Sequence[str]) -> list[Record | OutputFailed]:
    """The records of these files of rows, or all; for one that cannot be read, the error."""
    if unknown := [out for out in outs if not file_of(out).exists()]:
        got = "another" if os.path.exists(unknown[0]) else "one that does not exist"
        message = f"{unknown[0]}: expected a file of rows that a vendor has a batch for, got {got}"
        raise UsageError(message, hint=command("batch status").alone())
    return list(records(map(file_of, outs) if outs else None))


def _found(record: Record, env_file: str | None) -> Iterator[Found]:
    options = record.options
    try:
        manifest = Catalog(options["manifests"]).find(ProviderRef.parse(options["ref"])).load()
        config = provider_config(
            manifest,
            runtime=EMBEDDED,
            mode="real",
            mocks=MockFlags(),
            env_file=env_file or options["env_file"],
            with_secrets=True,
        )
    except ProviderError as error:
        yield from (Found(each, error=error) for each in record.submissions)
        return
    with closing(Desk(config)) as desk:
        for submission in list(record.submissions):
            yield look_at(submission, desk, record, waits=False)


def _collected(
    record: Record, env_file: str | None, listener: Listener, wait: Wait | None
) -> BatchResult | ProviderError:
    def collect() -> BatchResult:
        options = _options(record.options, env_file)
        return vendor_batch(options, _here(), listener, submits=False)

    try:
        return wait.until_free(collect) if wait else collect()
    except ProviderError as error:
        return error


def _options(kept: Mapping[str, Any], env_file: str | None) -> BatchOptions:
    """The options of the command that submitted. Raises UsageError where its lines came through a pipe."""
    if kept["source"] == "-":
        message = f"{kept['out']}: its lines came from standard input"
        raise UsageError(message, hint="run the command that submitted them again, with the same lines")
    given = {name: kept[name] for name in KEPT if name != "env_file"}
    return BatchOptions(
        **given,
        ref=ProviderRef.parse(kept["ref"]),
        options=tuple(kept["options"]),
        env_file=env_file or kept["env_file"],
        mode="real",
        vendor_batch=True,
    )
