"""The end of started instances, at the same time where there are several."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from theoryctl.actions.known import all_known, called, is_of
from theoryctl.errors import NotRunning, OutputFailed, UsageError
from theoryctl.hints import again, command
from theoryctl.instances import records
from theoryctl.instances.instance import Instance
from theoryctl.instances.lock import alone
from theoryctl.instances.records import BadRecord, checked_name
from theoryctl.refs import ProviderRef
from theoryctl.results.instances import NotStopped, Stopped
from theoryctl.runtimes.find import near_started, started_runtime
from theoryctl_providers.contract import ProviderError, info_of

if TYPE_CHECKING:
    from theoryctl.instances.client import Unused

#: Instances that are stopped at the same time: most of a stop is waiting.
_AT_A_TIME = 8


def stop(ref: ProviderRef | None, everything: bool, name: str | None = None) -> Stopped:
    """Stop the instances of a ref, the one of that name, or all, at the same time; records that are bad are removed.

    Raises UsageError for neither a ref nor all and for both, NotRunning for none, and what stopping it raised where
    there is only one; those of several that could not be stopped are in the result.
    """
    if (ref is None) != everything or (name is not None and everything):
        raise _unclear("both" if everything else "neither", name)
    ends = _all_ended(_chosen(ref, checked_name(name)))
    if len(ends) == 1 and ends[0].failure:
        raise ends[0].failure
    done = [end for end in ends if end.failure is None]
    return Stopped(
        tuple((end.record, end.ended) for end in done if isinstance(end.record, Instance)),
        tuple(end.record for end in done if isinstance(end.record, BadRecord) and end.ended),
        tuple((end.record, end.unused) for end in done if isinstance(end.record, Instance) and end.unused is not None),
        tuple(NotStopped(end.record, info_of(end.failure)) for end in ends if end.failure),
    )


@dataclass(frozen=True, slots=True)
class _End:
    """The end of a record: `ended` where its instance still ran, or it was a bad one and is removed; or a failure."""

    record: Instance | BadRecord
    ended: bool = False
    unused: Unused | None = None
    failure: ProviderError | None = None


def _all_ended(chosen: list[Instance | BadRecord]) -> list[_End]:
    if len(chosen) < 2:
        return [_end(each) for each in chosen]
    from theoryctl.actions.at_once import at_once

    return at_once(_end, chosen, _AT_A_TIME)


def _end(record: Instance | BadRecord) -> _End:
    """Stop an instance, or remove a bad record."""
    try:
        if isinstance(record, BadRecord):
            return _End(record, _is_removed(record))
        unused = _unused(record)
        return _End(record, _stop(record), unused)
    except ProviderError as failure:
        return _End(record, failure=failure)


def _chosen(ref: ProviderRef | None, name: str | None) -> list[Instance | BadRecord]:
    """The records of a ref, those of that name, or without a ref all. Raises NotRunning where a ref has none."""
    known = all_known()
    if ref is None:
        return known
    chosen = [each for each in known if is_of(each, ref, name)]
    if not chosen:
        where = f" under the name {name}" if name else ""
        meant = near_started(ref, called(known, name))
        hint = again(f"use {meant}", ref=meant) if meant else command("local status", ref=None)
        raise NotRunning(f"{ref} is not started{where}", hint=hint)
    return chosen


def _unused(instance: Instance) -> Unused | None:
    """Ask an instance for what it was told to answer from and has not; nothing where it is not there to say so."""
    if instance.answers is None or not instance.token:
        return None
    from theoryctl.instances import client

    runtime = started_runtime(instance.runtime)
    with suppress(ProviderError):
        if runtime.state(instance).healthy:
            return _still_there(client.unused(instance, runtime.listens), instance.replayed)
    return None


def _still_there(unused: Unused, folder: str | None) -> Unused:
    """Leave out recordings that were removed since the instance has read them."""
    if folder is None:
        return unused
    left = tuple(each for each in unused.recordings if Path(folder, Path(each).name).is_file())
    return replace(unused, recordings=left)


def _stop(instance: Instance) -> bool:
    """Stop one instance. Raises OutputFailed, and leaves it running, where its recordings cannot be written."""
    with _changing(instance.key.file), alone(instance.key):
        # Another command may have been faster. Its record is of another instance, or tells more of this one.
        now = records.instance_at(instance.key)
        return ended(now if now is not None and now.is_same(instance) else instance)


def ended(instance: Instance) -> bool:
    """End an instance, once the recordings that it holds are written; False where it was dead. For the holder of its
    lock. Raises OutputFailed, and leaves it running, where they cannot be; those of its last calls are written last."""
    from theoryctl.actions.runs.intake import end

    if save_recordings(instance):
        from theoryctl.actions.recordings import collecting

        with collecting(instance):
            return end(instance)
    return end(instance)


def save_recordings(instance: Instance) -> bool:
    """Write the recordings that an instance holds; False where it records nothing, or does not answer.

    Raises OutputFailed where they cannot be written.
    """
    if instance.record is None or not instance.token or not started_runtime(instance.runtime).state(instance).healthy:
        return False
    from theoryctl.actions.recordings import collect

    collect(instance)
    return True


def _is_removed(record: BadRecord) -> bool:
    """Remove a bad record; False where another command has put a good one in its place meanwhile."""
    key = record.key
    with _changing(record.file), alone(key) if key else nullcontext():
        if key and records.instance_at(key):
            return False
        record.remove()
    return True


@contextmanager
def _changing(file: Path) -> Iterator[None]:
    """Turn what the system refuses into OutputFailed."""
    try:
        yield
    except OSError as error:
        message = f"the record {file} cannot be removed: {error.strerror}"
        raise OutputFailed(message, hint=f"ls -ld {quote(str(file))}") from error


def _unclear(got: str, name: str | None) -> UsageError:
    """The error of a stop that does not say what to stop. Where one instance may be meant, the hint stops that one."""
    started = called(records.all_instances(), name)
    only = started[0].key if len(started) == 1 and got == "neither" else None
    hint = again(f"use --ref {only.ref}", ref=only.ref) if only else command("local status")
    return UsageError(f"expected --ref or --all, got {got}", hint=hint)
