"""Answers of vendors' batches, kept in a file of no name, and the engine that gives them as results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from theoryctl.batch.engine import Done, Job
from theoryctl.batch.failures import Failures, Verdict
from theoryctl.batch.vendors.desk import Desk
from theoryctl_providers.contract.vendor_batches import Answer, Standing

if TYPE_CHECKING:
    from theoryctl_providers.contract import Envelope

#: Answers that are read at a time.
_GROUP = 64


class _Place(NamedTuple):
    batch: str
    start: int
    length: int
    status: int
    headers: dict[str, str]
    lost: str | None
    began: float
    ended: float


class KeptAnswers:
    """Answers by the custom id of their request; their bodies lie on the disk."""

    def __init__(self) -> None:
        import tempfile

        self._file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115  # for as long as the batch runs
        self._places: dict[str, _Place] = {}

    def __contains__(self, custom_id: str) -> bool:
        return custom_id in self._places

    def close(self) -> None:
        """Give back the file."""
        self._file.close()

    def keep(self, custom_id: str, answer: Answer, standing: Standing) -> None:
        """Keep the answer of a batch to a request."""
        start = self._file.seek(0, 2)
        self._file.write(answer.body)
        times = standing.created_at, standing.ended_at or standing.created_at
        headers = dict(answer.headers)
        place = _Place(standing.id, start, len(answer.body), answer.status, headers, answer.lost, *times)
        self._places.setdefault(custom_id, place)

    def keep_lost(self, custom_id: str, standing: Standing) -> None:
        """Keep that a batch has ended without an answer to a request, unless there is one."""
        if custom_id not in self._places:
            lost = standing.word if standing.word in ("expired", "cancelled") else "missing"
            times = standing.created_at, standing.ended_at or standing.created_at
            self._places[custom_id] = _Place(standing.id, 0, 0, 200, {}, lost, *times)

    def answer(self, custom_id: str) -> Answer:
        """Return the answer to a request."""
        place = self._places[custom_id]
        self._file.seek(place.start)
        body = self._file.read(place.length)
        return Answer(custom_id=custom_id, status=place.status, body=body, headers=place.headers, lost=place.lost)

    def run_id(self, custom_id: str) -> str:
        """Return the id of a call: the same whenever its answer is read, so that the ledger has it once."""
        import hashlib

        named = f"{self._places[custom_id].batch} {custom_id}"
        return f"run_{hashlib.sha256(named.encode()).hexdigest()[:32]}"

    def times(self, custom_id: str) -> tuple[float, float]:
        """Return when the batch of a request was made, and when it ended, in seconds since 1970."""
        place = self._places[custom_id]
        return place.began, place.ended


@dataclass(slots=True)
class AnswersEngine:
    """Gives kept answers as results. `custom_ids` are those of the lines, by their index."""

    desk: Desk
    kept: KeptAnswers
    custom_ids: dict[int, str]
    where: str = "the answers of the vendor's batches"
    _jobs: list[Job] = field(default_factory=list)

    def start(self, jobs: Sequence[Job]) -> None:
        self._jobs.extend(jobs)

    def finished(self, seconds: float) -> list[Done]:
        jobs, self._jobs = self._jobs[:_GROUP], self._jobs[_GROUP:]
        ids = [self.custom_ids[job.number] for job in jobs]
        requests = [replace(job.request, run_id=self.kept.run_id(id)) for job, id in zip(jobs, ids, strict=True)]
        envelopes = self.desk.read([(each, self.kept.answer(id)) for each, id in zip(requests, ids, strict=True)])
        return [
            Done(job, _timed(envelope, *self.kept.times(id)))
            for job, envelope, id in zip(jobs, envelopes, ids, strict=True)
        ]

    def close(self) -> None:
        self._jobs.clear()


def _timed(envelope: Envelope, began: float, ended: float) -> Envelope:
    """The envelope with the times of its batch: those of reading its answer say nothing."""
    from datetime import datetime, timezone

    at = datetime.fromtimestamp(began, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    meta: Any = {**envelope["meta"], "started_at": at, "duration_ms": max(0, round((ended - began) * 1000))}
    meta.pop("loading_ms", None)
    return {**envelope, "meta": meta}


class NoRetries(Failures):
    """Takes every failure as the line's own: the vendor has asked again already."""

    def judge(self, *_: Any) -> Verdict:
        return Verdict.FINAL
