"""OpenAI's batches: a file of requests is uploaded, worked on within 24 hours, and answered by one or two files.

Its reference: platform.openai.com/docs/api-reference/batch, and openai/types/batch.py of its SDK.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any, BinaryIO

from theoryctl_providers.contract.vendor_batches import Answer, BatchApi, Mark, Standing, State
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
from theoryctl_providers.status import answered

#: The version in the paths of requests in a file, and the path of each operation behind it.
_VERSION = "v1"
_PATHS = {"chat": "chat/completions", "embeddings": "embeddings"}

_STATES: Mapping[str, State] = {
    "completed": "ended",
    "expired": "ended",
    "cancelled": "ended",
    "failed": "failed",
}

#: Codes of requests that were not worked on (platform.openai.com/docs/guides/batch, "Batch expiration").
_LOST = {"batch_expired": "expired", "batch_cancelled": "cancelled"}

#: The key of our mark in a batch's metadata.
_MARK = "theoryctl"

#: Batches on one page of their list.
_PAGE = 100


class OpenAIBatches(BatchApi):
    """Batches of one account of OpenAI's."""

    # openai/types/batch_create_params.py; an input file has requests to one model (docs/guides/batch).
    most_requests, most_bytes = 50_000, 200_000_000
    begin, between, end = b"", b"\n", b"\n"

    def __init__(self, account: Account) -> None:
        self._http, self._account = Http(account), account

    def close(self) -> None:
        self._http.close()

    def account(self, with_key: bytes) -> tuple[str, str]:
        return self._account.known_by(with_key)

    def group(self, operation: str, model: str) -> str:
        return f"{operation} {model}"

    def request(self, custom_id: str, operation: str, body: bytes) -> bytes:
        head = json.dumps({"custom_id": custom_id, "method": "POST", "url": _url(operation)})
        return b'%b, "body": %b}' % (head[:-1].encode(), body)

    def submit(self, file: BinaryIO, mark: str, operation: str, betas: Collection[str]) -> str:
        upload = (f"{_MARK}-{mark}.jsonl", file, "application/jsonl")
        uploaded = self._http.json("POST", "files", data={"purpose": "batch"}, files={"file": upload})
        asked = {
            "input_file_id": text_in(uploaded, "id"),
            "endpoint": _url(operation),
            "completion_window": "24h",
            "metadata": {_MARK: mark},
        }
        return text_in(self._http.json("POST", "batches", json=asked), "id")

    @reading()
    def find(self, mark: Mark) -> str | None:
        after: dict[str, str] = {}
        while True:
            page = self._http.json("GET", "batches", params={"limit": str(_PAGE), **after})
            batches = page.get("data") or []
            for batch in batches:
                if (batch.get("metadata") or {}).get(_MARK) == mark.text:
                    return text_in(batch, "id")
            # The newest come first, and clocks differ by less than an hour.
            if not batches or not page.get("has_more") or batches[-1].get("created_at", 0) < mark.at - 3600:
                return None
            after = {"after": text_in(batches[-1], "id")}

    @reading()
    def look(self, id: str) -> Standing:
        batch = self._http.json("GET", f"batches/{in_path(id)}")
        word, counts = text_in(batch, "status"), batch.get("request_counts") or {}
        ended = next((batch[f"{name}_at"] for name in _STATES if batch.get(f"{name}_at")), None)
        return Standing(
            id=id,
            state=_STATES.get(word, "working"),
            word=word,
            requests=int(counts.get("total") or 0),
            done=int(counts.get("completed") or 0) + int(counts.get("failed") or 0),
            created_at=time_of(batch.get("created_at")),
            ended_at=None if ended is None else time_of(ended),
            files=tuple(text_in(batch, name) for name in ("output_file_id", "error_file_id") if batch.get(name)),
            failure=self._failure(batch) if word == "failed" else None,
        )

    def answers(self, standing: Standing) -> Iterator[Answer]:
        for file in standing.files:
            for line in self._http.lines(f"files/{in_path(file)}/content"):
                yield _answer(line)

    def _failure(self, batch: Mapping[str, Any]) -> Any:
        """The reason why a batch was refused as a whole: OpenAI checks its requests after it has taken them."""
        found = (batch.get("errors") or {}).get("data") or [{}]
        said = self._account.clean(json.dumps({"error": found[0]}))
        status = 429 if "limit" in str(found[0].get("code")) else 400
        return answered(status, said, self._account.model, how="refused the batch")


def _url(operation: str) -> str:
    return f"/{_VERSION}/{_PATHS[operation]}"


def _answer(line: Mapping[str, Any]) -> Answer:
    """The answer in a line. One that cannot be read is that request's own failure: the others were paid as well."""
    if (custom_id := name_in(line)) is None:
        return Answer(custom_id=None)
    try:
        return _readable(custom_id, line)
    except UNREADABLE:
        return Answer(custom_id=custom_id, lost="unreadable")


def _readable(custom_id: str, line: Mapping[str, Any]) -> Answer:
    response, error = line.get("response") or {}, line.get("error")
    if error and not response:
        code = str(error.get("code")) if isinstance(error, dict) else error
        body = json.dumps({"error": error}).encode()
        return Answer(custom_id=custom_id, status=500, body=body, lost=_LOST.get(code))
    # A header is ASCII.
    id = str(response.get("request_id") or "").encode("ascii", "backslashreplace").decode()
    body = json.dumps(response.get("body")).encode()
    status = int(response.get("status_code") or 500)
    if not 200 <= status <= 599:
        raise ValueError(f"expected the status of an answer, got {status}")
    return Answer(custom_id=custom_id, status=status, body=body, headers={"x-request-id": id} if id else {})
