"""Rows of the ledger: the facts of one run, made from its envelope."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from theoryctl_providers.contract import is_mock

if TYPE_CHECKING:
    from theoryctl_providers.contract import Envelope

#: The commands, and else the places, that tell of a run.
Source = Literal["run", "batch", "replay", "recordings", "python", "instance", "modal"]

#: Characters of a text that comes from outside, such as a model's name: a row stays below a kilobyte.
LONGEST = 120
#: Numbers are smaller. SQLite refuses integers above 64 bits, and sums of them: a file within its limit (`store.BYTES`)
#: holds less than 2**20 rows.
BOUND = 2**43


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

#: Those of tokens and money.
USAGE = (
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cost_usd",
)


class Row:
    """One run. What is not known is None.

    `started_at` is UTC in RFC 3339 with milliseconds. `source` says who told of it: `run`, `batch`, `replay`,
    `recordings`, `python`, or a log: that of an `instance`, or of an app on `modal`. `model` is the one that was
    asked, `answered` the one that the vendor says answered. `image` is a digest. `code` is that of a failure. Of the
    durations, in milliseconds, `loading_ms` and `first_token_ms` are parts of `duration_ms`. `operation` is `chat`,
    `embeddings` or `count_tokens`. The digests of inputs and outputs are keyed (`ledger.place`).
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
        """The values of all columns, in their order, as SQLite and its sums can hold them."""
        return tuple(amount(getattr(self, name)) if name in USAGE else getattr(self, name) for name in COLUMNS)

    def document(self) -> dict[str, Any]:
        """The row as JSON, by column."""
        return {name: getattr(self, name) for name in COLUMNS}


def row_of(envelope: Envelope, source: Source, *, model: str | None = None, **more: Any) -> Row:
    """Return the row of a finished run of a `model`; `more` are columns that its envelope does not tell."""
    meta, error = envelope["meta"], envelope["error"]
    vendor, usage = meta["vendor"], envelope["usage"]
    told: dict[str, Any] = {name: usage.get(name) for name in USAGE}
    told["cost_usd"] = cost_of(told["cost_usd"], envelope["mode"])
    return Row(
        run_id=envelope["run_id"],
        started_at=meta["started_at"],
        source=source,
        ref=envelope["ref"],
        mode=envelope["mode"],
        runtime=envelope["runtime"],
        model=short(envelope["model"] or model),
        answered=short(vendor and vendor["model"]),
        image=digest_in(meta["image"]),
        code=error and error["code"],
        **told,
        duration_ms=meta["duration_ms"],
        loading_ms=meta.get("loading_ms"),
        version=meta["version"],
        **more,
    )


def cost_of(usd: float | None, mode: str | None) -> float | None:
    """Return the US dollars that a run has cost whose answer tells of `usd`: a mock costs nothing, though a recording
    tells what was paid when it was made, and a script what it likes."""
    return 0.0 if usd and is_mock(mode or "real") else usd


def digest_in(image: str | None) -> str | None:
    """Return the digest at the end of an image's reference; None where it has none."""
    at = image.rfind("sha256:") if image else -1
    return image[at:] if image and at >= 0 else None


def short(text: str | None) -> str | None:
    """Return a text that comes from outside as a row holds it: at most `LONGEST` characters."""
    return text and text[:LONGEST]


def amount(value: object) -> int | float | None:
    """Return a number that a column of tokens, money or time can hold; None for any other."""
    return value if isinstance(value, (int, float)) and type(value) is not bool and 0 <= value < BOUND else None
