"""Standing of a submission: where it is, as its vendor tells."""

from __future__ import annotations

import hmac
import time
from dataclasses import dataclass, field
from shlex import quote

from theoryctl.batch.vendors.desk import Desk
from theoryctl.batch.vendors.record import Record, Submission, known_ids, record_key
from theoryctl.errors import UsageError
from theoryctl_providers.contract import ProviderError
from theoryctl_providers.contract.vendor_batches import BatchApi, Mark, Standing

#: Seconds until every vendor lists a batch whose submission was cut off: perhaps a moment ago, by another process.
_SETTLING = 10.0


@dataclass(slots=True)
class Found:
    """A submission and what its vendor says of it; `error` is why that is not known.

    `is_gone` says that it was never submitted. `fetched` are the requests whose answer was fetched, or will never come,
    and `missing` those whose answer may be there yet. `nameless` lines of its results name no request.
    """

    submission: Submission
    standing: Standing | None = None
    error: ProviderError | None = None
    is_gone: bool = False
    fetched: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    nameless: int = 0


def look_at(submission: Submission, desk: Desk, record: Record, *, waits: bool = True) -> Found:
    """Ask the vendor for a submission. One whose id is not known is looked for, twice where it `waits`.

    Nothing is saved: only who has locked the rows may write the record.
    """
    try:
        if submission.id is None and not _is_found(submission, desk, waits):
            return Found(submission, is_gone=True)
        assert submission.id is not None
        return Found(submission, desk.api(submission.model).look(submission.id))
    except ProviderError as error:
        if error.code == "ERR_MODEL_NOT_FOUND":
            error.hint = (
                f"use the key of the account that has it, or submit its lines again: rm {quote(str(record.file))}"
            )
        return Found(submission, error=error)


def _is_found(submission: Submission, desk: Desk, waits: bool) -> bool:
    """Look for a submission of which nobody knows whether it was made: this process, or an earlier one, was cut off."""
    api, mark = desk.api(submission.model), _mark(submission)
    submission.id = api.find(mark)
    if submission.id is None:
        _check_account(submission, api)
    if submission.id is None and waits:  # from now on: the upload before it may have taken longer
        time.sleep(_SETTLING)
        submission.id = api.find(mark)
    return submission.id is not None


def _check_account(submission: Submission, api: BatchApi) -> None:
    """Raise UsageError where another account was asked than the one that may have the batch: its list says nothing."""
    if submission.account is None:
        return
    address, account = api.account(record_key())
    if not hmac.compare_digest(account, submission.account):
        message = f"{submission.vendor} ({address}): expected the address and the key of the submission to"
        message = f"{message} {submission.address}, which may have arrived, got others"
        hint = "set the address and the key of the submission, then run it again"
        raise UsageError(message, hint=hint)


def _mark(submission: Submission) -> Mark:
    ids = frozenset(submission.custom_ids)
    return Mark(text=submission.mark, at=submission.at, custom_ids=ids, known=known_ids())
