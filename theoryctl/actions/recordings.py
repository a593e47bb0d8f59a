"""Recorded exchanges on this machine: files in the folder of `--record`, whoever did the recording."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from theoryctl.errors import NotRunning, OutputFailed, UsageError
from theoryctl.instances import client, records
from theoryctl.instances.instance import Instance
from theoryctl.instances.lock import alone
from theoryctl.instances.restart import stop_and_start
from theoryctl.requests.mock_flags import MockFlags
from theoryctl.requests.result_folder import ResultFolder
from theoryctl.results.instances import RecordingsWritten
from theoryctl.runtimes.find import started_runtime
from theoryctl_providers.contract import Envelope, ProviderError, Tape, info_of, write_recordings

if TYPE_CHECKING:
    from theoryctl.actions.batch_plan import Listener
    from theoryctl.batch.answers import Finished

#: Seconds between two looks for the last recordings of an instance that ends.
_PAUSE = 0.05


def collect(instance: Instance) -> RecordingsWritten:
    """Write what an instance has recorded since the last time, and let it forget that.

    Raises UsageError for one that records nothing, OutputFailed (`ERR_OUTPUT`), and NotRunning where it does not
    answer. What could not be written, it still has.
    """
    if instance.record is None:
        hint = stop_and_start(instance, mode="real", record="recordings", script=None, replay=None)
        raise UsageError(f"{instance.ref} was not started with --record", hint=hint)
    listens = started_runtime(instance.runtime).listens
    recordings, upto = client.recordings(instance, listens)
    if not recordings:  # then the folder does not matter
        return RecordingsWritten(())
    try:
        files = write_recordings(Path(instance.record), recordings)
    except ProviderError as error:
        keep = f"make {instance.record} a folder that can be written to: until then the instance keeps them"
        raise OutputFailed(f"{instance.ref}: {error.message}", hint=keep) from error
    client.forget_recordings(instance, listens, upto)
    return RecordingsWritten(tuple(sorted({str(file) for file in files})))


@contextmanager
def collecting(instance: Instance) -> Iterator[None]:
    """Write what an instance records while the block ends it: calls that it finishes first.

    Raises OutputFailed at the end for what could not be written: nobody has it any more.
    """
    from threading import Event, Thread

    failed, is_over = list[ProviderError](), Event()

    def collect_all() -> None:
        try:
            while not is_over.wait(_PAUSE):
                collect(instance)
        except ProviderError as error:
            if error.code != "ERR_NOT_RUNNING":  # it is gone
                failed.append(error)

    beside = Thread(target=collect_all)
    beside.start()
    try:
        yield
    finally:
        is_over.set()
        beside.join()
    if failed:
        raise failed[0]


def recording(listener: Listener, tape: Tape | None, mocks: MockFlags, opened: ExitStack) -> Listener:
    """Return a listener that writes what a batch has recorded, whenever lines got their answers.

    Raises UsageError for a folder that cannot be written to.
    """
    if tape is None or mocks.recorded_to is None:
        return listener
    folder = opened.enter_context(ResultFolder(mocks.record_flag, mocks.recorded_to))
    return replace(listener, results=_Written(listener, tape, folder.path))


class _Written:
    """Writes recordings before the rows of their answers are; for others to hear of the answers then."""

    def __init__(self, listener: Listener, tape: Tape, folder: Path) -> None:
        self._listener, self._tape, self._folder = listener, tape, folder

    def __call__(self, group: Sequence[Finished]) -> None:
        found, upto = self._tape.kept()
        write_recordings(self._folder, found)
        self._tape.forget(upto)
        if self._listener.results is not None:
            self._listener.results(group)


def after_run(
    envelope: Envelope, tape: Tape | None, folder: ResultFolder | None, instance: Instance | None
) -> Envelope:
    """The envelope of a run, once what was recorded is written: by this process on the tape, or by the instance.

    Where it could not be, the error is in the envelope as well.
    """
    try:
        if instance is not None:
            _collect_or_hear(instance)
        elif tape is not None and folder is not None:
            write_recordings(folder.path, tape.kept()[0])
    except ProviderError as failure:
        return _with_failure(envelope, failure)
    return envelope


def _collect_or_hear(instance: Instance) -> None:
    """Write what an instance has recorded, unless the command that stopped it meanwhile did. Raises as `collect`."""
    try:
        collect(instance)
    except NotRunning:
        if not _was_stopped(instance):
            raise


def _was_stopped(instance: Instance) -> bool:
    """Return whether a command has ended an instance: it holds the lock, and takes the record away at its end."""
    try:
        with alone(instance.key):
            now = records.instance_at(instance.key)
    except (NotRunning, OSError):
        return False
    return now is None or not now.is_same(instance)


def _with_failure(envelope: Envelope, failure: ProviderError) -> Envelope:
    """The envelope with an error that came after the answer, which it keeps; a failure of the run itself goes first."""
    return envelope if envelope["error"] else {**envelope, "status": "error", "error": info_of(failure)}
