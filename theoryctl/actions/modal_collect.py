"""The work behind `theoryctl modal batch collect`: rows of the answers that a detached batch left on Modal."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from theoryctl.actions.batch_plan import Allowed
from theoryctl.batch.formats import FORMATS
from theoryctl.batch.output import OutputFile
from theoryctl.batch.resume import Earlier
from theoryctl.batch.rows import RowFormat
from theoryctl.batch.tally import Tally
from theoryctl.errors import NotDeployed, UsageError
from theoryctl.hints import Hint, command
from theoryctl.ledger.recorder import Policy, policy_of
from theoryctl.ledger.row import Row, row_of
from theoryctl.modal import apps
from theoryctl.modal.answers import KeptAnswer, KeptAnswers, KeptBatch
from theoryctl.modal.names import own_name
from theoryctl.modal.sdk import connected
from theoryctl.modal.sent_journal import SentCalls, journal_of
from theoryctl.refs import ProviderRef
from theoryctl.results.batch import BatchResult
from theoryctl.runtimes.modal import event_lines
from theoryctl.settings import Settings
from theoryctl_providers.contract import (
    Envelope,
    ErrorInfo,
    ProviderError,
    Result,
    build_envelope,
    info_of,
    read_events,
    resolve_mode,
)
from theoryctl_providers.contract.received import received_error

if TYPE_CHECKING:
    from theoryctl.ledger.place import Here

#: A call that was sent twice, by a command that was killed in between, was paid twice.
_DIFFERING = (
    "{}: expected one answer to each request, got another one, which differs, to {}; "
    "the first counts, and no row has the price of the other"
)

#: Answers whose rows are written together.
_GROUP = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectOptions:
    """Options of a collection: the app, the `batch` by its name (None: the only one there is), and the file of rows.

    With `keeps` the answers stay on Modal, even if all of them were taken.
    """

    ref: ProviderRef
    environment: str
    out: str
    app: str | None = None
    batch: str | None = None
    form: str = "theoryctl"
    ordered: bool = False
    keeps: bool = False
    allow_failures: Allowed = field(default_factory=lambda: Allowed(0.0))


def collect(options: CollectOptions, tell: Callable[[str], None]) -> BatchResult:
    """Write a row for each answer that has none in the file yet. Nothing is waited for.

    Raises UsageError where the batch is not there, OutputFailed where rows cannot be written, and what `connected`
    raises.
    """
    with ExitStack() as opened:
        form = FORMATS[options.form]()
        modal = opened.enter_context(connected())
        app = _app(modal, options)
        answers = KeptAnswers(modal, app, options.environment)
        file = opened.enter_context(OutputFile(options.out, form))
        batch = _chosen(answers, options, app, file.earlier)
        sent = SentCalls(journal_of(options.out, f"{options.environment}/{app}"))
        is_open = batch.calls is None and sent.batch == batch.name
        opened.callback(sent.close, keeps=is_open)  # with it the rest goes to the same batch
        taking = _Taking(file, form, sent, is_open, tell, policy_of(Settings()), file.earlier.answers)
        taking.take(answers.read(batch))
        if answers.differing:
            tell(_DIFFERING.format(batch.name, answers.differing))
        file.finish(ordered=options.ordered)
        left = 0 if batch.calls is None else max(0, batch.calls - taking.answers)
        if batch.calls is None:
            tell(f"{batch.name} is not sent to its end: the command that sent it sends the rest")
        elif not left and not options.keeps:
            answers.remove(batch.name)
        return _result(options, taking, batch, left)


def _app(modal: Any, options: CollectOptions) -> str:
    """The app's name; of one that is stopped, whose Volume may be there, the one that it had."""
    try:
        return apps.find(modal, options.ref, options.environment, options.app).app
    except NotDeployed:
        return options.app or own_name(options.ref, options.environment)


def _chosen(answers: KeptAnswers, options: CollectOptions, app: str, earlier: Earlier) -> KeptBatch:
    there = answers.batches()
    found = [each for each in there if options.batch in (None, each.name)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(each.name for each in there) or "none"
    wanted = f"the batch {options.batch[:100]}" if options.batch is not None else "one detached batch"
    raise UsageError(f"{app}: expected {wanted}, found {names}", hint=_hint(answers, there, earlier))


def _hint(answers: KeptAnswers, there: list[KeptBatch], earlier: Earlier) -> Hint:
    """The collection of the oldest batch with an answer that has no row yet."""
    if not there:
        return command("modal batch", detach=True)
    new = (each for each in there if any(not earlier.knows(bytes.fromhex(kept.digest)) for kept in answers.read(each)))
    return command("modal batch collect", next(new, there[-1]).name)


@dataclass(slots=True)
class _Taking:
    """Rows of answers on their way into the file and the ledger. `resumed` rows were there before.

    With `is_open` the batch was not sent to its end, and `sent` is its journal.
    """

    file: OutputFile
    form: RowFormat
    sent: SentCalls
    is_open: bool
    tell: Callable[[str], None]
    policy: Policy
    resumed: int
    tally: Tally = field(default_factory=Tally)
    answers: int = 0
    _runs: list[Row] = field(default_factory=list)
    _here: Here | None = None

    def take(self, answers: Iterable[KeptAnswer]) -> None:
        """Write the rows of all answers. Raises OutputFailed."""
        for kept in answers:
            self.answers += 1
            self._put(kept)
            if len(self._runs) >= _GROUP:
                self._flush()
        self._flush()

    def _put(self, kept: KeptAnswer) -> None:
        digest, earlier = bytes.fromhex(kept.digest), self.file.earlier
        envelope = envelope_of(kept)
        call = self.form.call_id(envelope["run_id"])
        new = [
            (number, id)
            for number, id in kept.rows
            if not (earlier.take(digest, id) or earlier.has_failed(digest, id, call))
        ]
        if not new:
            return
        self.tally.add(envelope)
        self.tally.add_copies(len(new) - 1, failed=envelope["error"] is not None)
        for number, id in new:
            before = earlier.take_failed(digest, id)
            self.file.put(number - 1, self.form.write(id, number, digest, envelope, before))
            earlier.replace(before)
        if self.policy.keeps(envelope["mode"]):
            self._runs.append(self._run(kept, envelope))
        if self.sent.claim(kept.digest) is not None:
            self.sent.take(kept.digest)
        elif self.is_open:
            self.sent.count_lost(kept.digest)

    def _run(self, kept: KeptAnswer, envelope: Envelope) -> Row:
        """The row of the ledger. Whoever collects has no inputs; a digest of them counts where the key is the same."""
        from theoryctl.ledger import place
        from theoryctl.ledger.place import here

        if self._here is None:
            self._here = here()
        key, branch, ci_run = self._here
        is_ours = key is not None and kept.key == place.key_id(key)
        return row_of(
            envelope,
            "batch",
            model=kept.model,
            inputs_digest=kept.inputs_digest if is_ours else None,
            outputs_digest=None if key is None else place.outputs_digest(envelope["outputs"], key),
            branch=branch,
            ci_run=ci_run,
            operation=kept.operation,
        )

    def _flush(self) -> None:
        from theoryctl.ledger.recorder import record

        self.file.flush()
        runs, self._runs = self._runs, []
        if runs and (note := record(runs)):
            self.tell(note)


def envelope_of(kept: KeptAnswer) -> Envelope:
    """Return the envelope of an answer; of one that the engine did not give, that of its failure."""
    try:
        for event in read_events(event_lines([kept.answer], {})):
            if isinstance(event, Result):
                return event.envelope
        raise ProviderError("ERR_BAD_RESPONSE", "the container gave no result")
    except (ProviderError, ConnectionResetError, KeyError, TypeError, AttributeError, ValueError) as error:
        info, mode = _told(error), resolve_mode({}, kept.mode)
        return build_envelope(
            error=info, ref=kept.ref, mode=mode, runtime="modal", model=kept.model, run_id=kept.run_id
        )


def _told(error: Exception) -> ErrorInfo:
    """The error that an answer tells; of one that tells none that JSON can hold, that it broke off."""
    with suppress(ValueError):
        if isinstance(error, ProviderError):
            return received_error(info_of(error))
    return info_of(ProviderError("ERR_BAD_RESPONSE", "the answer broke off"))


def _result(options: CollectOptions, taking: _Taking, batch: KeptBatch, left: int) -> BatchResult:
    tally = taking.tally
    lines = taking.resumed + tally.done + tally.copied + left
    return BatchResult(
        out=options.out,
        lines=lines,
        resumed=taking.resumed,
        failed_before=taking.file.earlier.failures,
        copied=tally.copied,
        failed_copies=tally.failed_copies,
        ok=tally.ok,
        left=left,
        invalid=0,
        failed=dict(sorted(tally.failed.items())),
        retried=0,
        **tally.sums(taking.file.earlier),
        latency_ms=tally.percentiles(),
        seconds=tally.seconds,
        allowed=options.allow_failures.of(lines),
        detached=batch.name if left else None,
    )
