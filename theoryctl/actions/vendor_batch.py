"""A batch that is left to a vendor's own batches: submitted, and its answers taken by the same command later."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from theoryctl.actions.asked import notes
from theoryctl.actions.batch import result_of, run_all, running_of
from theoryctl.actions.batch_plan import BatchOptions, Listener, Setting, plan_of, setting_of
from theoryctl.actions.kept_batch import keeping
from theoryctl.actions.targets import Target
from theoryctl.batch.cost import BatchedCost, unpriced_usd
from theoryctl.batch.plan import SETTLED, TODO, Plan
from theoryctl.batch.vendors.answers import AnswersEngine, KeptAnswers, NoRetries
from theoryctl.batch.vendors.desk import Desk
from theoryctl.batch.vendors.record import Record, Submission, record_of
from theoryctl.batch.vendors.standing import Found, look_at
from theoryctl.batch.vendors.submit import Submitter
from theoryctl.batch.vendors.unpriced import Unpriced
from theoryctl.errors import UsageError
from theoryctl.hints import again
from theoryctl.ledger.recorder import policy_of
from theoryctl.results.batch import BatchResult, VendorBatch
from theoryctl.runtimes.find import EMBEDDED
from theoryctl.settings import Settings
from theoryctl_providers.contract import ProviderError, info_of, is_mock

if TYPE_CHECKING:
    from theoryctl.batch.answers import Finished
    from theoryctl.batch.run import Batch
    from theoryctl.ledger.budget import DailyBudget

#: The provider whose vendors have batches.
_PROVIDER = "litellm"

#: Options that a record keeps, so that the answers can be taken without the command.
KEPT = ("source", "out", "model", "form", "dedupe", "skip_invalid", "max_attachment", "env_file", "manifests")
_PATHS = ("source", "out", "env_file", "manifests")


def vendor_batch(options: BatchOptions, target: Target, listener: Listener, *, submits: bool = True) -> BatchResult:
    """Take the answers of the batches that have ended, and submit the lines that have none and are at no vendor.

    Unless it `submits`, only answers are taken. Raises TheoryctlError for what is wrong before a vendor is asked; what
    fails later is in the result.
    """
    _check_flags(options, target)
    with ExitStack() as opened:
        setting = setting_of(options, target, opened)
        _check_setting(setting)
        listener = keeping(listener, setting.mode, {}, opened)
        batch = _VendorBatch.begun(options, setting, target, opened)
        for note in notes(options, target, Settings(), setting.maker.config):
            listener.tell(note)
        running = batch.collect(listener)
        if submits and running.error is None:
            try:
                batch.submit(listener)
            except ProviderError as error:
                running.error = error
        result = result_of(options, running)
        return replace(result, left=batch.asked - running.tally.done, batches=tuple(batch.standings()))


def _check_flags(options: BatchOptions, target: Target) -> None:
    """Refuse what leads nowhere where the vendor sets the pace."""
    if target.runtime != EMBEDDED:
        message = f"--vendor-batch: the {target.runtime} instance has the keys, and this process submits"
        raise UsageError(message, hint=again("submit from here", runtime=EMBEDDED, name=None))
    for name in ("rpm", "tpm", "timeout"):
        if getattr(options, name) is not None:
            raise UsageError(
                f"--{name}: the vendor sets the pace of its batches", hint=again("leave it", **{name: None})
            )
    if options.is_streamed:
        raise UsageError("--vendor-batch: expected a file in --out", hint=again("name one", out="rows.jsonl"))


def _check_setting(setting: Setting) -> None:
    if is_mock(setting.mode):
        raise UsageError("--vendor-batch: no vendor is asked in mock mode", hint=again("ask it", mode="real"))
    if setting.maker.config.provider != _PROVIDER:
        message = f"--vendor-batch: expected a ref of the provider {_PROVIDER}, got {setting.found.ref}"
        raise UsageError(message, hint=again("ask the lines one by one", vendor_batch=None))


@dataclass(slots=True)
class _VendorBatch:
    """The lines of a batch and the submissions that they are in.

    `earlier_usd` is the most that the rows of earlier runs have cost where nobody knows it, by the index of their line.
    """

    options: BatchOptions
    setting: Setting
    plan: Plan
    record: Record
    desk: Desk
    ids: dict[int, str]
    asked: int
    earlier_usd: dict[int, float]
    found: list[Found] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)
    paid: float = 0.0

    @classmethod
    def begun(cls, options: BatchOptions, setting: Setting, target: Target, opened: ExitStack) -> _VendorBatch:
        """Check all lines, and read what was submitted. Raises TheoryctlError."""
        assert options.out is not None
        record = record_of(options.out)
        plan = plan_of(setting, options, target, None)
        desk = Desk(setting.maker.config)
        opened.callback(desk.close)
        is_limited = options.max_cost is not None or daily_budget() is not None
        unpriced = dict(unpriced_usd(plan)) if is_limited else {}
        return cls(options, setting, plan, record, desk, _custom_ids(plan), plan.asked, unpriced)

    def collect(self, listener: Listener) -> Batch:
        """Write the rows of all answers that are there, and return the batch that did it."""
        kept = KeptAnswers()
        error = self._gather(kept)
        self._tell_nameless(listener.tell)
        waiting = self._leave_only(kept)
        assert self.setting.file is not None
        unpriced = Unpriced(self.setting.maker.config.default_model, self.ids)
        unpriced.usd.update((self.ids[index], usd) for index, usd in self.earlier_usd.items())
        listener = _heard_by(unpriced, listener)
        engine = AnswersEngine(self.desk, kept, self.ids)
        running = running_of(
            self.options, self.setting, self.plan, engine, self.setting.file, listener, judge=NoRetries
        )
        try:
            run_all(running, self.options, listener)
        finally:
            for index in waiting:
                self.plan.states[index] = TODO
            kept.close()
        self.paid = running.tally.cost_usd + sum(unpriced.usd.values())
        if running.error is None:
            self._forget_taken(unpriced, listener)
            running.error = error
        return running

    def submit(self, listener: Listener) -> None:
        """Submit the lines that are at no vendor. Raises ProviderError."""
        options = self.options
        at_vendor = self.record.custom_ids | self.refused | self.taken
        left = [index for index in self.plan.to_ask() if self.ids[index] not in at_vendor]
        if not left:
            return
        daily = daily_budget()
        if options.max_cost is not None or daily is not None:
            self._check_cost(left)
        self.record.options = kept_options(options)
        assert self.setting.file is not None
        sending = self.setting.file.tell_asked_again
        submitter = Submitter(self.plan, self.desk, self.record, self.ids, listener.tell, sending, daily)
        try:
            submitter.submit(left)
        finally:
            self.found += [Found(each) for each in submitter.submitted]

    def _check_cost(self, indexes: Sequence[int]) -> None:
        """Raise MaxCost where these lines may cost more than is left, and UsageError where nobody knows a price."""
        options, maker = self.options, self.plan.maker
        cost = BatchedCost(maker.config.default_model)
        for index in indexes:
            cost.look(maker.make(self.plan.line(index)))
        most = math.inf if options.max_cost is None else options.max_cost
        spent = self.setting.earlier.cost_usd + self.paid + self.record.usd
        cost.check(most, spent, allow_unknown=options.allow_unknown_price)

    def standings(self) -> Iterator[VendorBatch]:
        """Yield the batches whose answers have not come."""
        return (shown(found, self.options.out) for found in self.found if found.submission in self.record.submissions)

    def _gather(self, kept: KeptAnswers) -> ProviderError | None:
        """Fetch the answers of all batches that have ended; the first failure, if there was one."""
        error = None
        for submission in list(self.record.submissions):
            found = self._looked_at(submission)
            if found.is_gone:  # it was never submitted: its lines are, if they still are wanted
                self._end(submission, is_paid=False)
                continue
            self.found.append(found)
            error = error or found.error
            if found.standing is not None and found.standing.state == "failed":
                error = error or found.standing.failure
                self.refused.update(submission.custom_ids)
                self._end(submission, is_paid=False)
            elif found.standing is not None and found.standing.state == "ended":
                error = self._fetch(found, kept) or error
        return error

    def _looked_at(self, submission: Submission) -> Found:
        was_known = submission.id is not None
        found = look_at(submission, self.desk, self.record)
        if submission.id is not None and not was_known:
            self.record.save()
        return found

    def _fetch(self, found: Found, kept: KeptAnswers) -> ProviderError | None:
        """Fetch the answers of a batch that has ended; why not all are there, if they are not."""
        assert found.standing is not None
        wanted, came = dict.fromkeys(found.submission.custom_ids), set[str]()
        try:
            for answer in self.desk.api(found.submission.model).answers(found.standing):
                if answer.custom_id is None:
                    found.nameless += 1
                    continue
                came.add(answer.custom_id)
                if answer.custom_id in wanted:
                    kept.keep(answer.custom_id, answer, found.standing)
        except ProviderError as failure:
            found.error = failure
            return failure
        lacking = [each for each in wanted if each not in came]
        if lacking and _may_come(found, len(came), len(lacking)):
            found.missing, found.error = lacking, _not_all(found, len(came))
            found.fetched = [each for each in wanted if each in came]
            return found.error
        for custom_id in lacking:
            kept.keep_lost(custom_id, found.standing)
        found.fetched = list(wanted)
        return None

    def _tell_nameless(self, tell: Callable[[str], None]) -> None:
        """Say where lines of results name no request, though none lacks its answer."""
        for found in self.found:
            if found.nameless and not found.missing:
                told = f"{found.nameless:,} lines in the results of {found.submission.id}"
                tell(f"{told} name no request, and are left out")

    def _leave_only(self, kept: KeptAnswers) -> list[int]:
        """Put the lines aside that have no answer yet, and return their indexes."""
        fetched = {each for found in self.found for each in found.fetched}
        waiting = [index for index in self.plan.to_ask() if self.ids[index] not in fetched]
        for index in waiting:
            self.plan.states[index] = SETTLED
        return waiting

    def _forget_taken(self, unpriced: Unpriced, listener: Listener) -> None:
        """Forget the requests whose answers have their row now, and keep those whose answer is of no line."""
        known = set(self.ids.values())
        for found in self.found:
            if not found.fetched:
                continue
            self.taken.update(found.fetched)
            found.submission.unpriced_usd += unpriced.sum(found.fetched)
            strays = [each for each in found.fetched if each not in known]
            if strays:
                told = f"{len(strays)} answers of {found.submission.id} are of lines that are not there any more"
                listener.tell(f"{told}; they stay with the vendor until the lines are back")
            if left := [*strays, *found.missing]:
                self.record.leave(found.submission, left)
                self._settle(found.submission, found.submission.usd or 0.0, is_paid=True)
            else:
                self._end(found.submission, is_paid=True)

    def _end(self, submission: Submission, *, is_paid: bool) -> None:
        """Forget a batch."""
        self.record.end(submission)
        self._settle(submission, 0.0, is_paid=is_paid)

    def _settle(self, submission: Submission, usd: float, *, is_paid: bool) -> None:
        """Hold so much of the budget of the day yet. It takes what the ledger's rows say from now on, and the most that
        the rows without a cost may have cost."""
        if (daily := daily_budget()) is not None and not (is_paid and policy_of(Settings()).off):
            daily.held(submission.mark).settle(usd + submission.unpriced_usd)


def _heard_by(unpriced: Unpriced, listener: Listener) -> Listener:
    """The listener of a batch whose answers are counted where they have no cost."""

    def heard(finished: Sequence[Finished]) -> None:
        unpriced.look(finished)
        if listener.results is not None:
            listener.results(finished)

    return replace(listener, results=heard)


def _may_come(found: Found, came: int, lacking: int) -> bool:
    """Return whether answers that are not there may have been made, and so paid: fewer came than the vendor has made,
    or lines of the results name no request, as where an error of a moment stands in the place of answers."""
    standing = found.standing
    assert standing is not None
    return bool(found.nameless) or came < standing.done or lacking > standing.requests - standing.done


def _not_all(found: Found, came: int) -> ProviderError:
    """The error for answers that may come yet."""
    standing, submission = found.standing, found.submission
    assert standing is not None
    message = f"{submission.vendor} gave {came:,} of {standing.done:,} answers of {submission.id}"
    if found.nameless:
        message = f"{message}, and {found.nameless:,} lines that name no request"
    return ProviderError("ERR_BAD_RESPONSE", message, hint=again("wait, then run it again"))


def _custom_ids(plan: Plan) -> dict[int, str]:
    """The custom id of each line, by its index: its digest; of equal lines that are all asked, with their number."""
    ids, seen = {}, Counter[bytes]()
    for index in range(len(plan.states)):
        digest = plan.digest(index)
        number = seen[digest]
        seen[digest] += 1
        ids[index] = digest.hex() if not number else f"{digest.hex()[:54]}-{number}"
    return ids


def kept_options(options: BatchOptions) -> dict[str, Any]:
    """Return the options that a record keeps, with paths that hold in any folder."""
    kept = {name: getattr(options, name) for name in KEPT}
    paths = {name: os.path.abspath(kept[name]) for name in _PATHS if kept[name] is not None}
    if options.source == "-":
        paths["source"] = "-"
    return {**kept, **paths, "ref": str(options.ref), "options": list(options.options)}


def daily_budget() -> DailyBudget | None:
    """Return the budget of the day, if there is one. Raises UsageError."""
    from theoryctl.ledger.budget import budget_of

    return budget_of(Settings())


def shown(found: Found, out: str | None = None) -> VendorBatch:
    """Return what is known of a batch for people; `out` is the file that its rows are for."""
    submission, standing = found.submission, found.standing
    return VendorBatch(
        vendor=submission.vendor,
        model=submission.model,
        requests=len(submission.custom_ids),
        submitted_at=submission.at,
        id=submission.id,
        state=standing.word if standing else None,
        done=standing.done if standing else 0,
        out=out,
        error=info_of(found.error) if found.error else None,
    )
