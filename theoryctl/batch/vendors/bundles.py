"""Requests gathered into batches that fit a vendor's limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from theoryctl.errors import TheoryctlError

if TYPE_CHECKING:
    from theoryctl_providers.contract.vendor_batches import BatchApi


class TooLarge(TheoryctlError):
    """TooLarge is a request that no batch of its vendor takes."""

    error_code = "ERR_TOO_LARGE"


@dataclass(slots=True)
class Bundle:
    """Requests of one batch, in a file of no name. `weight` is what counts against the vendor's number of requests."""

    api: BatchApi
    model: str
    operation: str
    custom_ids: list[str] = field(default_factory=list)
    betas: set[str] = field(default_factory=set)
    usd: float | None = 0.0
    weight: int = 0
    size: int = 0
    file: BinaryIO = field(default_factory=lambda: _temporary())

    @property
    def vendor(self) -> str:
        """The name of its vendor."""
        return self.model.partition("/")[0]

    def add(self, custom_id: str, request: bytes, weight: int, usd: float | None) -> None:
        """Add a request."""
        piece = (self.api.between if self.custom_ids else self.api.begin) + request
        self.file.write(piece)
        self.size += len(piece)
        self.weight += weight
        self.custom_ids.append(custom_id)
        self.usd = None if usd is None or self.usd is None else self.usd + usd

    def fits(self, request: bytes, weight: int) -> bool:
        """Tell whether a request still fits."""
        api = self.api
        size = self.size + len(request) + len(api.begin) + len(api.between) + len(api.end)
        return size <= api.most_bytes and self.weight + weight <= api.most_requests

    def whole(self) -> BinaryIO:
        """End the batch, and return its file, to be read from the beginning."""
        self.file.write(self.api.end)
        self.file.flush()
        self.file.seek(0)
        return self.file


@dataclass(slots=True)
class Bundles:
    """Gathers requests by the vendor's groups."""

    _open: dict[tuple[str, str], Bundle] = field(default_factory=dict)
    _made: list[Bundle] = field(default_factory=list)

    def bundle(
        self, api: BatchApi, model: str, operation: str, request: bytes, weight: int
    ) -> tuple[Bundle, Bundle | None]:
        """Return the bundle for a request, and the one that is full and makes place for it; None where there is none.

        Raises TooLarge for a request that fits into none.
        """
        key = model.partition("/")[0], api.group(operation, model)
        found = self._open.get(key)
        if found is not None and found.fits(request, weight):
            return found, None
        new = Bundle(api, model, operation)
        self._open[key] = new
        self._made.append(new)
        if not new.fits(request, weight):
            message = f"a request of {len(request):,} bytes is larger than a batch of {key[0]} may be"
            raise TooLarge(message, hint="ask it without a batch of the vendor's")
        return new, found

    def rest(self) -> Iterator[Bundle]:
        """Yield the bundles that are not full."""
        yield from self._open.values()

    def close(self) -> None:
        """Give back all files."""
        for each in self._made:
            each.file.close()


def _temporary() -> BinaryIO:
    import tempfile

    return tempfile.TemporaryFile()
