"""Batches at vendors: their standing, their answers, and the Protocol of an API for them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, Literal, Protocol

from theoryctl_providers.contract.errors import ProviderError

State = Literal["working", "ended", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A batch as the vendor tells of it. `word` is the vendor's own for the state, times are in seconds since 1970.

    `files` are those with its answers, `failure` is the reason why it was not worked on at all.
    """

    id: str
    state: State
    word: str
    requests: int
    done: int
    created_at: float
    ended_at: float | None = None
    files: tuple[str, ...] = ()
    failure: ProviderError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to one request of a batch: an HTTP status and a body, as if it had been asked alone. `lost` says
    instead that the vendor never came to it, `expired` or `cancelled`, or that its answer is `unreadable`. `custom_id`
    is None where the vendor's line names no request."""

    custom_id: str | None
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    lost: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A batch that was to be submitted at a time, and perhaps was: `text` is unique, `known` are the ids of others."""

    text: str
    at: float
    custom_ids: Collection[str]
    known: Collection[str] = ()


class BatchApi(Protocol):
    """The batch API of one vendor. Every method raises ProviderError for what the vendor or the network does."""

    #: Limits of one batch.
    most_requests: int
    most_bytes: int
    #: The bytes around and between the requests of one batch.
    begin: bytes
    between: bytes
    end: bytes

    def account(self, with_key: bytes) -> tuple[str, str]:
        """Return the address for people, and a keyed digest of the whole address and the vendor's key."""
        ...

    def group(self, operation: str, model: str) -> str:
        """Return the group of a request: those of two groups cannot stand in the same batch."""
        ...

    def request(self, custom_id: str, operation: str, body: bytes) -> bytes:
        """Return one request, as it stands in a batch."""
        ...

    def submit(self, file: BinaryIO, mark: str, operation: str, betas: Collection[str]) -> str:
        """Submit a batch, and return its id."""
        ...

    def find(self, mark: Mark) -> str | None:
        """Return the id of the batch with a mark; None where it was not submitted. Raises Unsure."""
        ...

    def look(self, id: str) -> Standing:
        """Return the standing of a batch."""
        ...

    def answers(self, standing: Standing) -> Iterator[Answer]:
        """Yield the answers of a batch that has ended, in any order."""
        ...


class Unsure(ProviderError):
    """A batch that may be the one that is looked for, which shows when it has ended."""

    def __init__(self, id: str) -> None:
        message = f"the batch {id} may be one of these lines, which shows when it has ended"
        super().__init__("ERR_UNAVAILABLE", message, hint="wait, then run it again")
        self.id = id
