"""Recording of calls that a Python program makes with `theoryctl_providers`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from theoryctl_providers.contract import ProviderError, Result, Started, Stopwatch, build_envelope, info_of
from theoryctl_providers.contract.observing import OBSERVER

if TYPE_CHECKING:
    from theoryctl.ledger.recorder import Policy
    from theoryctl_providers.contract import Envelope, Event, Request


@contextmanager
def recording() -> Iterator[None]:
    """Write into the ledger the calls of `run`, `arun`, `stream` and `astream` of `theoryctl_providers` made inside.

    It holds for this context (contextvars): for the tasks of asyncio that begin inside, and not for new threads. The
    settings say which calls are kept. A call that cannot be written raises nothing: a RuntimeWarning says it. Raises
    UsageError for settings that say nothing sensible.
    """
    from theoryctl.ledger.recorder import policy_of
    from theoryctl.settings import Settings

    token = OBSERVER.set(partial(_Recorded, policy_of(Settings())))
    try:
        yield
    finally:
        OBSERVER.reset(token)


class _Recorded:
    """One call from Python."""

    def __init__(self, policy: Policy, request: Request) -> None:
        from theoryctl.ledger.recorder import Recorder

        self._request, self._stopwatch = request, Stopwatch()
        self._recorder: Recorder | None = Recorder(policy, request, "python")
        self._model: str | None = None

    def see(self, event: Event) -> None:
        if isinstance(event, Started):
            self._model = event.model
        if isinstance(event, Result):
            self._write(event.envelope)
        elif self._recorder is not None:
            self._recorder.see(event)

    def close(self) -> None:
        self._write(self._interrupted())

    def _write(self, envelope: Envelope) -> None:
        """Write the row, once."""
        recorder, self._recorder = self._recorder, None
        if recorder is not None and (note := recorder.write(envelope)):
            warnings.warn(note, RuntimeWarning, stacklevel=2)

    def _interrupted(self) -> Envelope:
        """The envelope of a call that nobody waited for: a vendor may have been asked."""
        error = ProviderError("ERR_INTERRUPTED", "nobody waited for the answer")
        return build_envelope(
            error=info_of(error),
            ref=self._request.config.ref,
            mode=self._request.mode,
            model=self._model,
            run_id=self._request.run_id,
            stopwatch=self._stopwatch,
        )
