"""The engine of a batch: this process, a started instance, or Modal, which keeps what it was sent."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, cast

from theoryctl.actions.batch_plan import BatchOptions, Setting
from theoryctl.actions.targets import Target
from theoryctl.batch.engine import Engine, Job
from theoryctl.batch.engines import DirectEngine, ThreadEngine, allow_open_files, engine_here
from theoryctl.batch.plan import Plan
from theoryctl.batch.requests import RequestMaker
from theoryctl.runtimes.find import EMBEDDED, MODAL
from theoryctl.settings import Settings
from theoryctl_providers.contract import Event, ProviderError, Request

if TYPE_CHECKING:
    from theoryctl.modal.answers import AnswerIndex
    from theoryctl.modal.sent_journal import SentCalls
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
        sending = setting.file.tell_asked_again if setting.file is not None else None
        engine = ModalEngine(_on_modal(cast("ModalSession", session), options, setting, opened), sending)
    else:
        engine = ThreadEngine(session)
    opened.callback(engine.close)
    return engine


def fitting(options: BatchOptions, engine: Engine, tell: Callable[[str], None]) -> BatchOptions:
    """Return the options with as many calls at the same time as may have a connection each; fewer are told."""
    if isinstance(engine, DirectEngine):
        return options
    calls = allow_open_files(options.concurrency)
    if calls >= options.concurrency or isinstance(engine, ModalEngine):  # to Modal goes one connection for all
        return options
    tell(f"--concurrency {options.concurrency}: {calls} at a time, as few files may be open here (ulimit -n)")
    return replace(options, concurrency=calls)


class OnModal:
    """A session with Modal that knows what was sent in earlier runs."""

    def __init__(self, session: ModalSession, sent: SentCalls, maker: RequestMaker, key: bytes | None = None) -> None:
        """`key` is that of the ledger's digests; None where it keeps none of these runs."""
        self.where = session.where
        self.sent = sent
        self._session, self._maker = session, maker
        self._key = key
        self._read: AnswerIndex | None = None
        self._reading = Lock()

    def ask(self, request: Request) -> Generator[Event, None, None]:
        return self._session.ask_for_batch(request, self.sent, self._maker.digest(request).hex(), self._index())

    def begin(self) -> str:
        """Begin a detached batch, unless one has begun, and return its name. Raises ProviderError."""
        from theoryctl.modal.answers import new_name

        self._session.check_keeps()
        return self.sent.begin(new_name())

    def send(self, request: Request, rows: Sequence[tuple[int, str | None]]) -> None:
        """Send the request of a detached batch, unless it was sent before; `rows` are the number and the id of each
        line that it is of. Raises ProviderError."""
        digest = self._maker.digest(request).hex()
        if not self.sent.has(digest):
            self._session.send(request, self.sent, digest, rows, self._keyed(request))

    def _keyed(self, request: Request) -> dict[str, str]:
        """The digest of the inputs for the ledger, of whoever collects without them, if it has the same key."""
        if self._key is None:
            return {}
        from theoryctl.ledger.place import key_id
        from theoryctl.ledger.recorder import digest_asked

        model = request.inputs.get("model") or request.config.default_model
        digest = digest_asked(request, model, self._key)
        return {} if digest is None else {"inputs_digest": digest, "key": key_id(self._key)}

    def note_sent(self) -> None:
        """Write into the app's Volume that all of a detached batch was sent. Raises ProviderError."""
        if self.sent.batch is not None:
            with self._session.kept() as answers:
                answers.note_sent(self.sent.batch, self.sent.kept)

    def forget(self) -> None:
        """Remove the answers of a detached batch from the app's Volume, once all were taken."""
        if self.sent.batch is not None and not len(self.sent):
            with suppress(ProviderError), self._session.kept() as answers:
                answers.remove(self.sent.batch)

    def close(self) -> None:
        if self._read is not None:
            self._read.close()
        self._session.close()

    def _index(self) -> AnswerIndex | None:
        """The answers in the Volume, read once; None where none can be there."""
        with self._reading:
            if self._read is None and self.sent.batch is not None:
                self._read = self._indexed(self.sent.batch)
        return self._read

    def _indexed(self, name: str) -> AnswerIndex:
        from theoryctl.modal.answers import AnswerIndex

        with self._session.kept() as answers:
            return AnswerIndex(
                kept for batch in answers.batches() if batch.name == name for kept in answers.read(batch)
            )


class ModalEngine(ThreadEngine):
    """Waits for Modal in threads. `session` can send as well, for nobody to wait.

    `sending` is called before anything is sent; None calls nothing.
    """

    def __init__(self, session: OnModal, sending: Callable[[], None] | None) -> None:
        super().__init__(session)
        self.session = session
        self.sending = sending or (lambda: None)

    def start(self, jobs: Sequence[Job]) -> None:
        self.sending()
        super().start(jobs)


def send_all(engine: Engine, plan: Plan) -> str | None:
    """Send every line of a plan to Modal, which keeps the results. Return the name of the batch, None where nothing is
    to be sent. Raises ProviderError."""
    assert isinstance(engine, ModalEngine)
    session, indexes = engine.session, plan.to_ask()
    if plan.asked:
        session.begin()
        engine.sending()
    with ThreadPoolExecutor(_SENDERS) as pool:
        while group := list(islice(indexes, _GROUP)):
            lines = [plan.line(index) for index in group]
            requests = [plan.maker.make(line, admitted=True) for line in lines]
            for _ in pool.map(session.send, requests, [_rows(plan, index) for index in group]):
                pass
    session.note_sent()
    return session.sent.batch


def forget_taken(engine: Engine) -> None:
    """Remove from Modal what all the answers of were taken."""
    if isinstance(engine, ModalEngine):
        engine.session.forget()


def _rows(plan: Plan, index: int) -> list[tuple[int, str | None]]:
    """The number and the id of each line that gets the answer of a line."""
    return [(each + 1, plan.line(each).id) for each in (index, *plan.twins.get(index, ()))]


def _on_modal(session: ModalSession, options: BatchOptions, setting: Setting, opened: ExitStack) -> OnModal:
    from theoryctl.modal.sent_journal import SentCalls, journal_of

    named = options.out if setting.file is not None else None
    sent = SentCalls(None if named is None else journal_of(named, session.app))
    opened.callback(sent.close)
    return OnModal(session, sent, setting.maker, _ledger_key(setting) if options.detach else None)


def _ledger_key(setting: Setting) -> bytes | None:
    from theoryctl.ledger.place import here
    from theoryctl.ledger.recorder import policy_of

    return here()[0] if policy_of(Settings()).keeps(setting.mode) else None
