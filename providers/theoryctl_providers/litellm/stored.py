"""Calls of LiteLLM without a network: the request is taken instead of sent, or the answer is there already.

A batch at a vendor is made of the requests that real mode would send, and its answers are read as real mode reads
them. Both go through LiteLLM, whose client gets another transport here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

_exchange: ContextVar[Exchange | None] = ContextVar("_exchange", default=None)


@dataclass(slots=True)
class Exchange:
    """One request after the other, each with its answer; without a `body` the request is taken and means nothing.

    `status` and `body` are those of the vendor's answer, `headers` what it said beside them. `sent` is the body of the
    last request and `betas` Anthropic's header of that name; `sent` is None until there was one.
    """

    status: int = 200
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: bytes | None = None
    betas: str = ""
    clients: dict[str, Any] = field(default_factory=dict)


@contextmanager
def exchanging(exchange: Exchange) -> Iterator[None]:
    """Have the calls that are made inside go to `exchange` and to no network."""
    token = _exchange.set(exchange)
    try:
        yield
    finally:
        _exchange.reset(token)


def is_batch() -> bool:
    """Tell whether this code runs for a request of a vendor's batch, which has a price of its own."""
    return _exchange.get() is not None


def exchange_here() -> Exchange | None:
    """Return the exchange that this code's calls go to; None where they go to the vendor."""
    return _exchange.get()
