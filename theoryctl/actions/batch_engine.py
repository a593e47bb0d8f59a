"""The engine of a batch: this process, a started instance, or Modal, which keeps what it was sent."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from typing import TYPE_CHECKING, cast

from theoryctl.actions.batch_plan import BatchOptions, Setting
from theoryctl.actions.targets import Target
from theoryctl.batch.engine import Engine
from theoryctl.batch.engines import ThreadEngine, engine_here
from theoryctl.batch.plan import Plan
from theoryctl.batch.requests import RequestMaker
from theoryctl.runtimes.find import EMBEDDED, MODAL
from theoryctl_providers.contract import Event, Request

if TYPE_CHECKING:
    from theoryctl.modal.sent import SentCalls
    from theoryctl.runtimes.modal import ModalSession

#: Lines that are sent at the same time, and those that are in memory.
_SENDERS, _GROUP = 16, 256


def engine_of(options: BatchOptions, setting: Setting, target: Target, opened: ExitStack) -> Engine:
    """Return the engine of a target; `opened` closes it. Raises ProviderError."""
    session = target.open(setting.found)
    opened.callback(session.close)
    if target.runtime == EMBEDDED:
        engine = engine_here(session, setting.maker.config, setting.mode)
    elif target.runtime == MODAL:
        engine = ModalEngine(_on_modal(cast("ModalSession", session), options, setting, opened))
    else:
        engine = ThreadEngine(session)
    opened.callback(engine.close)
    return engine


class OnModal:
    """A session with Modal that knows what was sent in earlier runs."""

    def __init__(self, session: ModalSession, sent: SentCalls, maker: RequestMaker) -> None:
        self.where = session.where
        self.sent = sent
        self._session, self._maker = session, maker

    def ask(self, request: Request) -> Generator[Event, None, None]:
        return self._session.ask_for_batch(request, self.sent, self._maker.digest(request).hex())

    def send(self, request: Request) -> None:
        """Send a request, unless it was sent before, and wait for nothing. Raises ProviderError."""
        digest = self._maker.digest(request).hex()
        if not self.sent.has(digest):
            self._session.send(request, self.sent, digest)

    def close(self) -> None:
        self._session.close()


class ModalEngine(ThreadEngine):
    """Waits for Modal in threads. `session` can send as well, for nobody to wait."""

    def __init__(self, session: OnModal) -> None:
        super().__init__(session)
        self.session = session


def send_all(engine: Engine, plan: Plan, tell: Callable[[str], None]) -> None:
    """Send every line of a plan to Modal, which keeps the results. Raises ProviderError."""
    assert isinstance(engine, ModalEngine)
    session = engine.session
    indexes = plan.to_ask()
    with ThreadPoolExecutor(_SENDERS) as pool:
        while group := list(islice(indexes, _GROUP)):
            requests = [plan.maker.make(plan.line(index), admitted=True) for index in group]
            for _ in pool.map(session.send, requests):
                pass
    tell(f"{len(session.sent)} lines are on Modal; the same command without --detach takes the answers")


def _on_modal(session: ModalSession, options: BatchOptions, setting: Setting, opened: ExitStack) -> OnModal:
    from theoryctl.modal.sent import SentCalls, journal_of

    named = options.out if setting.file is not None else None
    sent = SentCalls(None if named is None else journal_of(named, session.app))
    opened.callback(sent.close)
    return OnModal(session, sent, setting.maker)
