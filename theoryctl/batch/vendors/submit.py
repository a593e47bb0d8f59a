"""Submits the lines of a batch to the vendors' own batches, each once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice

from theoryctl.batch.cost import bounds_of, model_of
from theoryctl.batch.money import Budget
from theoryctl.batch.plan import Plan
from theoryctl.batch.vendors.bundles import Bundle, Bundles
from theoryctl.batch.vendors.desk import Desk, Taken
from theoryctl.batch.vendors.record import Record, Submission, record_key
from theoryctl_providers.contract import ProviderError, Request

#: Lines whose requests are made at a time.
_GROUP = 64

#: Failures after which nobody knows whether a batch was submitted: the vendor is asked for it next time.
_UNKNOWN = frozenset(("ERR_BAD_RESPONSE", "ERR_TIMEOUT", "ERR_UNAVAILABLE", "ERR_UNREACHABLE"))


@dataclass(slots=True)
class Submitter:
    """Submits lines in as few batches as the vendors' limits allow. `ids` are the custom ids of the lines.

    Each batch is in the record before it is sent, and `sending` is called then. `daily` is the budget of the day,
    `submitted` are those that were.
    """

    plan: Plan
    desk: Desk
    record: Record
    ids: Mapping[int, str]
    tell: Callable[[str], None]
    sending: Callable[[], None]
    daily: Budget | None = None
    submitted: list[Submission] = field(default_factory=list)

    def submit(self, indexes: Sequence[int]) -> None:
        """Submit these lines. Raises ProviderError for what the vendor says, and for a line that cannot be sent."""
        with closing(Bundles()) as bundles:
            self._submit(bundles, indexes)

    def _submit(self, bundles: Bundles, indexes: Sequence[int]) -> None:
        for index, request, taken in self._taken(indexes):
            if taken.error is not None:
                taken.error.message = f"line {index + 1}: {taken.error.message}"
                raise taken.error
            self._add(bundles, index, request, taken)
        for bundle in bundles.rest():
            self._send(bundle)

    def _taken(self, indexes: Sequence[int]) -> Iterator[tuple[int, Request, Taken]]:
        waiting = iter(indexes)
        while group := list(islice(waiting, _GROUP)):
            requests = [self.plan.maker.make(self.plan.line(index), admitted=True) for index in group]
            yield from zip(group, requests, self.desk.take(requests), strict=True)

    def _add(self, bundles: Bundles, index: int, request: Request, taken: Taken) -> None:
        default = self.plan.maker.config.default_model
        model, operation = model_of(request, default), request.operation
        api = self.desk.api(model)
        piece = api.request(self.ids[index], operation, taken.body)
        weight = _weight(request)
        bundle, full = bundles.bundle(api, model, operation, piece, weight)
        if full is not None:
            self._send(full)
        bundle.add(self.ids[index], piece, weight, bounds_of(request, default, batched=True).usd)
        bundle.betas.update(filter(None, taken.betas.split(",")))

    def _send(self, bundle: Bundle) -> None:
        account = bundle.api.account(record_key())
        submission = self.record.begin(
            bundle.vendor, bundle.model, bundle.operation, bundle.custom_ids, bundle.usd, account
        )
        try:
            held = None if self.daily is None else self.daily.reserve(bundle.usd or 0.0, submission.mark)
        except ProviderError:
            self.record.end(submission)
            raise
        try:
            self.sending()
            submission.id = bundle.api.submit(bundle.whole(), submission.mark, bundle.operation, bundle.betas)
        except ProviderError as error:
            if error.code not in _UNKNOWN:
                self.record.end(submission)
                if held is not None:
                    held.settle(0.0)
            raise
        self.record.save()
        bundle.file.close()
        self.submitted.append(submission)
        self.tell(f"submitted {len(bundle.custom_ids):,} lines to {bundle.vendor} as {submission.id}")


def _weight(request: Request) -> int:
    """The number of requests that one counts as: of embeddings each text does (openai/types/batch_create_params.py)."""
    texts = request.inputs.get("input")
    return max(1, len(texts)) if request.operation == "embeddings" and isinstance(texts, list) else 1
