"""The Protocol of an engine: it is given many requests, and gives their envelopes back as they are done."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

from theoryctl_providers.contract import Envelope, Event, Request


@dataclass(frozen=True, slots=True)
class Job:
    """One request to ask; `number` is that of its line."""

    number: int
    request: Request


@dataclass(frozen=True, slots=True)
class Done:
    """The envelope of a job, of a failed one too.

    `retry_after` is the vendor's wish in seconds, where it said one; `notes` are lines for people. `is_answer` is False
    where the provider was not reached, and the envelope was made on this side.
    """

    job: Job
    envelope: Envelope
    retry_after: float | None = None
    notes: tuple[str, ...] = ()
    is_answer: bool = True


class Engine(Protocol):
    """Asks requests in one place: in this process, at an instance, or through a queue elsewhere.

    It is used by one thread. How many are asked at once, and when, is decided by who starts them.
    """

    #: Where the requests go, for a person to read.
    where: str

    def start(self, jobs: Sequence[Job]) -> None:
        """Begin to ask. Returns without waiting for an answer."""
        ...

    def finished(self, seconds: float) -> list[Done]:
        """Return all that is done and was not returned yet; wait for the first of them up to `seconds`."""
        ...

    def close(self) -> None:
        """Cancel what is in flight, and give back what was opened."""
        ...


class Asker(Protocol):
    """The part of a runtime's session that an engine uses: one request at a time, from several threads at once."""

    where: str

    def ask(self, request: Request) -> Generator[Event, None, None]:
        """Yield the events of one request, the last one a `Result`. Raises ProviderError where there is none."""
        ...

    def close(self) -> None:
        """Give back what was opened."""
        ...
