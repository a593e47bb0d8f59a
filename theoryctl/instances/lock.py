"""The lock of a record: whoever starts, stops or forgets an instance holds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from theoryctl.errors import NotRunning
from theoryctl.hints import command
from theoryctl.instances.key import RecordKey
from theoryctl.paths import file_lock

#: Seconds to wait for another command, which may be building an image.
PATIENCE = 900.0


@contextmanager
def alone(key: RecordKey, *, seconds: float = PATIENCE) -> Iterator[None]:
    """Hold the lock of a record. It ends with the process that holds it.

    Raises NotRunning (`ERR_NOT_RUNNING`) where another command holds it for longer than `seconds`, and OSError where
    the folder of the records cannot be written to.
    """
    with ExitStack() as held:
        try:
            held.enter_context(file_lock(key.file.with_suffix(".lock"), seconds=seconds))
        except TimeoutError:
            message = f"another command has been at the instance of {key.ref} for more than {seconds:g} s"
            raise NotRunning(message, hint=command("local status")) from None
        yield


def is_held(key: RecordKey) -> bool:
    """Return whether a command is at a record now."""
    with suppress(OSError):
        try:
            with alone(key, seconds=0):
                return False
        except NotRunning:
            return True
    return False
