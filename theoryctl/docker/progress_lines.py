"""The daemon's account of a build, a pull or a push as it goes on: a JSON object on each line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

#: Bytes that a line may have.
_MAX_LINE = 1 << 20


@dataclass(frozen=True, slots=True)
class Told:
    """One message: the `error` that ends it all, `output` of a build, the `status` of a `layer` with the bytes of it
    that are done and there; in the end the `image_id` of what was built and the `digest` of what was pushed.
    """

    error: str | None
    output: str
    status: str
    layer: str
    done: int
    total: int
    image_id: str | None
    digest: str | None


def told(message: dict[str, Any]) -> Told:
    """Read a message. Raises TypeError or AttributeError where it has another shape."""
    made, amount = _of(message, "aux", dict, {}), _of(message, "progressDetail", dict, {})
    return Told(
        error=_of(message, "error", str, None),
        output=_of(message, "stream", str, ""),
        status=_of(message, "status", str, ""),
        layer=_of(message, "id", str, ""),
        done=_of(amount, "current", int, 0),
        total=_of(amount, "total", int, 0),
        image_id=_of(made, "ID", str, None),
        digest=_of(made, "Digest", str, None),
    )


def _of(mapping: dict[str, Any], name: str, kind: Any, default: Any) -> Any:
    value = mapping.get(name)
    if value is not None and not isinstance(value, kind):
        raise TypeError(name)
    return default if value is None else value


def lines(pieces: Iterable[bytes], odd: Callable[[bytes], Exception]) -> Iterator[bytes]:
    """Yield the lines of a stream that are not empty. Raises what `odd` makes of one that is too long."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from filter(bytes.strip, whole)
        if len(rest) > _MAX_LINE:
            raise odd(rest)
    if rest.strip():
        yield rest
