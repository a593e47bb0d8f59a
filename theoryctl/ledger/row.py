"""Rows of the ledger: the facts of one run, made from its envelope or from a line in a server's log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeGuard, cast

if TYPE_CHECKING:
    from theoryctl_providers.contract import Envelope

#: The commands, and else the places, that tell of a run.
Source = Literal["run", "batch", "replay", "recordings", "python", "instance", "modal"]

#: Characters of a text that comes from outside, such as a model's name: a row stays below a kilobyte.
_LONGEST = 120
#: Numbers are smaller: what JSON's readers hold exactly (RFC 8259, section 6). SQLite refuses integers above 64 bits,
#: and sums of them.
_BOUND = 2**53


#: The columns of the table, in its order.
COLUMNS = (
    "run_id",
    "started_at",
    "source",
    "ref",
    "mode",
    "runtime",
    "model",
    "answered",
    "image",
    "code",
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cost_usd",
    "duration_ms",
    "loading_ms",
    "first_token_ms",
    "inputs_digest",
    "outputs_digest",
    "branch",
    "ci_run",
    "version",
    "operation",
)


class Row:
    """One run. What is not known is None.

    `started_at` is UTC in RFC 3339 with milliseconds. `source` says who told of it: `run`, `batch`, `replay`,
    `recordings`, `python`, or a log: that of an `instance`, or of an app on `modal`. `model` is the one that was
    asked, `answered` the one that the vendor says answered. `image` is a digest. `code` is that of a failure. Of the
    durations, in milliseconds, `loading_ms` and `first_token_ms` are parts of `duration_ms`. `operation` is `chat`
    or `embeddings`. The digests of inputs and outputs are keyed (`ledger.digests`).
    """

    # A named tuple of so many fields takes a quarter of a millisecond to make, which each run would pay.
    __slots__ = COLUMNS

    run_id: str
    started_at: str
    source: str
    ref: str | None
    mode: str | None
    runtime: str | None
    model: str | None
    answered: str | None
    image: str | None
    code: str | None
    input_tokens: int | None
    output_tokens: int | None
    cached_input_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: float | None
    duration_ms: float | None
    loading_ms: float | None
    first_token_ms: float | None
    inputs_digest: str | None
    outputs_digest: str | None
    branch: str | None
    ci_run: str | None
    version: str | None
    operation: str | None

    def __init__(self, **facts: Any) -> None:
        for name in COLUMNS:
            setattr(self, name, facts.pop(name, None))
        if facts:
            raise TypeError(f"expected columns, got {', '.join(facts)}")

    def values(self) -> tuple[Any, ...]:
        """The values of all columns, in their order."""
        return tuple(getattr(self, name) for name in COLUMNS)

    def document(self) -> dict[str, Any]:
        """The row as JSON, by column."""
        return {name: getattr(self, name) for name in COLUMNS}


USAGE = (
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cost_usd",
)


def row_of(envelope: Envelope, source: Source, *, model: str | None = None, **more: Any) -> Row:
    """Return the row of a finished run of a `model`; `more` are columns that its envelope does not tell."""
    meta, error = envelope["meta"], envelope["error"]
    vendor, usage = meta["vendor"], envelope["usage"]
    return Row(
        run_id=envelope["run_id"],
        started_at=meta["started_at"],
        source=source,
        ref=envelope["ref"],
        mode=envelope["mode"],
        runtime=envelope["runtime"],
        model=_short(envelope["model"] or model),
        answered=_short(vendor and vendor["model"]),
        image=digest_in(meta["image"]),
        code=error and error["code"],
        **{name: cast(Any, usage.get(name)) for name in USAGE},
        duration_ms=meta["duration_ms"],
        loading_ms=meta.get("loading_ms"),
        version=meta["version"],
        **more,
    )


def row_of_log(facts: Mapping[str, Any], **where: Any) -> Row | None:
    """Return the row of a request in a server's log; None for a line of anything else.

    What a provider prints stands in the log as well: a value that its column cannot hold is None. `where` are columns
    that the log does not tell: source, ref, runtime, image.
    """
    run_id, ended, took = _text(facts.get("run_id")), _number(facts.get("time")), _number(facts.get("duration_ms"))
    if run_id is None or ended is None or took is None:
        return None
    try:
        started_at = _rfc3339(ended - took / 1000)
    except (OverflowError, ValueError, OSError):
        return None
    told: dict[str, Any] = {name: _short(_text(facts.get(name))) for name in ("mode", "model", "code")}
    told |= {name: _amount(facts.get(name)) for name in USAGE}
    return Row(run_id=run_id[:_LONGEST], started_at=started_at, duration_ms=took, **told, **where)


def digest_in(image: str | None) -> str | None:
    """Return the digest at the end of an image's reference; None where it has none."""
    at = image.rfind("sha256:") if image else -1
    return image[at:] if image and at >= 0 else None


def _rfc3339(seconds: float) -> str:
    from datetime import datetime, timezone

    at = datetime.fromtimestamp(seconds, timezone.utc)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _short(text: str | None) -> str | None:
    return text and text[:_LONGEST]


def is_text(value: object) -> TypeGuard[str]:
    """Tell whether a value is a text that SQLite can hold: one without lone surrogates."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_number(value: object) -> TypeGuard[int | float]:
    """Tell whether a value is a finite number that SQLite can hold, and that sums of a thousand can."""
    return type(value) in (int, float) and -_BOUND < cast(float, value) < _BOUND


def _text(value: object) -> str | None:
    return value if is_text(value) else None


def _number(value: object) -> int | float | None:
    return value if is_number(value) else None


def _amount(value: object) -> int | float | None:
    return value if is_number(value) and value >= 0 else None
