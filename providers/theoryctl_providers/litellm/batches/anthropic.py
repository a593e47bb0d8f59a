"""Anthropic's Message Batches: requests in one body, worked on within 24 hours, and answered by lines.

Its reference: platform.claude.com/docs/en/api/messages/batches, and types/messages/message_batch.py of its SDK.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any, BinaryIO

from theoryctl_providers.contract import ProviderError
from theoryctl_providers.contract.vendor_batches import Answer, BatchApi, Mark, Standing, Unsure
from theoryctl_providers.litellm.batches.api import (
    UNREADABLE,
    Account,
    Http,
    in_path,
    name_in,
    reading,
    text_in,
    time_of,
)
from theoryctl_providers.litellm.told import status_of

_PATH = "v1/messages/batches"

#: Seconds by which the vendor's clock may differ from this one, and those that a submission takes at most.
_SKEW, _LONGEST = 300, 3600

#: Batches on one page of their list.
_PAGE = 100

_LOST = {"expired": "expired", "canceled": "cancelled"}


class AnthropicBatches(BatchApi):
    """Batches of one workspace of Anthropic's."""

    # "100,000 Message requests or 256 MB in size, whichever is reached first"
    # (platform.claude.com/docs/en/build-with-claude/batch-processing, "Batch limitations").
    most_requests, most_bytes = 100_000, 256_000_000
    begin, between, end = b'{"requests": [', b",\n", b"]}"

    def __init__(self, account: Account) -> None:
        self._http, self._account = Http(account), account

    def close(self) -> None:
        self._http.close()

    def account(self, with_key: bytes) -> tuple[str, str]:
        return self._account.known_by(with_key)

    def group(self, operation: str, model: str) -> str:
        return operation

    def request(self, custom_id: str, operation: str, body: bytes) -> bytes:
        return b'{"custom_id": "%b", "params": %b}' % (custom_id.encode(), body)

    def submit(self, file: BinaryIO, mark: str, operation: str, betas: Collection[str]) -> str:
        headers = {"content-type": "application/json", "content-length": str(os.fstat(file.fileno()).st_size)}
        if betas:
            headers["anthropic-beta"] = ",".join(sorted(betas))
        pieces = iter(lambda: file.read(1 << 20), b"")
        return text_in(self._http.json("POST", _PATH, content=pieces, headers=headers), "id")

    @reading()
    def find(self, mark: Mark) -> str | None:
        """A batch has no place for a mark: it is one with as many requests, of that time, that is nobody else's, and
        its answers tell."""
        for batch in self._listed(mark.at - _SKEW):
            is_close = _time(batch.get("created_at")) < mark.at + _LONGEST
            if batch["id"] in mark.known or not is_close or _requests(batch) != len(mark.custom_ids):
                continue
            standing = _standing(batch)
            if standing.state == "working":
                raise Unsure(standing.id)
            if self._name_in(standing) in mark.custom_ids:
                return standing.id
        return None

    def _name_in(self, standing: Standing) -> str:
        """Return the first custom id in the results of a batch. Raises ProviderError where they have none: each request
        has a line there, and an error of a moment may stand in their place."""
        if name := next(filter(None, (each.custom_id for each in self.answers(standing))), None):
            return name
        message = f"the results of {standing.id}: expected the custom ids of its requests, got none"
        raise ProviderError("ERR_BAD_RESPONSE", message, hint="try again")

    @reading()
    def look(self, id: str) -> Standing:
        return _standing(self._http.json("GET", f"{_PATH}/{in_path(id)}"))

    def answers(self, standing: Standing) -> Iterator[Answer]:
        # Not at `results_url`: the key goes to the account's address and nowhere else.
        for line in self._http.lines(f"{_PATH}/{in_path(standing.id)}/results"):
            yield _answer(line)

    def _listed(self, since: float) -> Iterator[Mapping[str, Any]]:
        """Batches that were made since a time, the newest first."""
        after: dict[str, str] = {}
        while True:
            page = self._http.json("GET", _PATH, params={"limit": str(_PAGE), **after})
            batches = page.get("data") or []
            for batch in batches:
                if _time(batch.get("created_at")) < since:
                    return
                yield batch
            if not batches or not page.get("has_more"):
                return
            after = {"after_id": text_in(batches[-1], "id")}


def _standing(batch: Mapping[str, Any]) -> Standing:
    word, requests = text_in(batch, "processing_status"), _requests(batch)
    ended = batch.get("ended_at")
    return Standing(
        id=text_in(batch, "id"),
        state="ended" if word == "ended" else "working",
        word=word,
        requests=requests,
        done=requests - int((batch.get("request_counts") or {}).get("processing") or 0),
        created_at=_time(batch.get("created_at")),
        ended_at=_time(ended) if ended else None,
    )


def _requests(batch: Mapping[str, Any]) -> int:
    return sum(value for value in (batch.get("request_counts") or {}).values() if isinstance(value, int))


def _time(text: Any) -> float:
    try:
        return time_of(datetime.fromisoformat(text).timestamp())
    except (ArithmeticError, TypeError, ValueError):
        return 0.0


def _answer(line: Mapping[str, Any]) -> Answer:
    """The answer in a line. One that cannot be read is that request's own failure: the others were paid as well."""
    if (custom_id := name_in(line)) is None:
        return Answer(custom_id=None)
    try:
        return _readable(custom_id, line.get("result") or {})
    except UNREADABLE:
        return Answer(custom_id=custom_id, lost="unreadable")


def _readable(custom_id: str, result: Mapping[str, Any]) -> Answer:
    kind = result.get("type")
    if kind == "succeeded":
        return Answer(custom_id=custom_id, body=json.dumps(result.get("message")).encode())
    if kind in _LOST:
        return Answer(custom_id=custom_id, lost=_LOST[kind])
    said = result.get("error") or {}
    # The error stands in the object that a request alone would have been answered with.
    inner = said["error"] if isinstance(said, dict) and isinstance(said.get("error"), dict) else said
    return Answer(custom_id=custom_id, status=status_of(inner), body=json.dumps(said).encode())
