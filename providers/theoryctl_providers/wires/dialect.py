"""The seam between the server and its wires: a dialect says its paths, its credential and the shape of its errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from starlette.types import ASGIApp, Scope

from theoryctl_providers.wires.failure import Failure
from theoryctl_providers.wires.reply import Headers, Whole


class Credential(Protocol):
    """Finds the token that a request brings."""

    @property
    def called(self) -> str:
        """Its name in an error, as in "the bearer token"."""
        ...

    def of(self, scope: Scope) -> bytes:
        """The token; empty where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class HeaderCredential:
    """A token in the header `header`, behind `scheme`; both in lower case."""

    called: str
    header: bytes
    scheme: bytes = b""

    def of(self, scope: Scope) -> bytes:
        """The token; empty where there is none."""
        for name, value in scope["headers"]:
            if name == self.header and value[: len(self.scheme)].lower() == self.scheme:
                return bytes(value[len(self.scheme) :].strip())
        return b""


@dataclass(frozen=True, slots=True)
class AnyCredential:
    """A token in the first of several places that holds one."""

    called: str
    places: tuple[Credential, ...]

    def of(self, scope: Scope) -> bytes:
        """The token; empty where there is none."""
        return next(filter(None, (place.of(scope) for place in self.places)), b"")


BEARER = HeaderCredential("the bearer token", b"authorization", b"bearer ")

#: Method and path of each route, and the ASGI application that answers it. A `{name}` in a path stands for any text,
#: which the application finds in `scope["path_params"]`; the first such path that fits is taken.
Routes = Mapping[tuple[str, str], ASGIApp]


class Dialect(Protocol):
    """One API that a started provider speaks. Subclass it to inherit the defaults of the optional parts.

    The server asks it for its routes once, and per request for the credential and for the shape of a refusal. What only
    some requests need, their applications import when the first of them comes: a server starts with all dialects.
    """

    #: Its name in hints.
    name: str

    #: The method and path that a client most likely means, for the hint after a path that nobody has.
    example: str

    #: Beginnings of paths: what is below one and has no route is refused in this dialect. The longest counts.
    prefixes: tuple[str, ...]

    routes: Routes

    #: Headers that only its clients send, in lower case: of several dialects with a path, theirs is meant.
    marks: frozenset[bytes] = frozenset()

    credential: Credential = BEARER

    #: Paths that want no credential, are open when the instance drains or is full, and have no line in its log.
    open_paths: frozenset[str] = frozenset()

    #: Paths about the instance and no call: open when it drains or is full, to whoever brings the credential.
    kept_paths: frozenset[str] = frozenset()

    #: The header that tells the run's id; empty: none does.
    id_header: bytes = b""

    #: Whether a fault of a script is shown as a vendor's API would: its status, a cut connection, a stream without end.
    plays_faults: bool = True

    def vendor_headers(self, told: Mapping[str, str]) -> Headers:
        """Choose, of the headers of `VendorInfo`, those that clients of this API read; none by default."""
        return ()

    def failure(self, failure: Failure) -> Whole:
        """Write a failure in place of an answer. One that comes in mid-stream is written by `Chunks.failed`."""
        ...


def rate_limits(told: Mapping[str, str]) -> Headers:
    """Choose the headers that tell rate limits, by the names that the vendor gives them."""
    limits = ((name, value) for name, value in told.items() if "ratelimit" in name)
    return [(name.encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in limits]
