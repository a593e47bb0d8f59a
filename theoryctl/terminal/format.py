"""Format durations, sizes, prices, digests and pairs for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def paired(pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Names and their values, a line each, the values in one column."""
    width = max(len(name) for name, _ in pairs)
    return (f"{name:<{width}}  {value}" for name, value in pairs)


def short_digest(digest: str | None) -> str:
    """The first 12 hexadecimal digits of a digest, as `docker images` shows them; `-` for None."""
    return digest.removeprefix("sha256:")[:12] if digest else "-"


def duration_words(milliseconds: float) -> str:
    """A duration: `3.2 ms`, `85 ms`, and above a second `1.2 s`, `75 s`."""
    if milliseconds >= 1000:
        seconds = milliseconds / 1000
        return f"{seconds:.1f} s" if seconds < 60 else f"{seconds:.0f} s"
    return f"{milliseconds:.1f} ms" if milliseconds < 10 else f"{milliseconds:.0f} ms"


def time_words(seconds: float) -> str:
    """A duration in its largest unit: `3 s`, `5 min`, `2 h`, `4 d`."""
    amount = max(0, int(seconds))
    for unit, size in (("s", 60), ("min", 60), ("h", 24)):
        if amount < size:
            return f"{amount} {unit}"
        amount //= size
    return f"{amount} d"


def size_words(size: int) -> str:
    """Bytes in the largest decimal unit that leaves at least 1: `999 B`, `1.5 MB`."""
    amount, units = float(size), ["B", "kB", "MB", "GB"]
    while amount >= 1000 and len(units) > 1:
        amount /= 1000
        units.pop(0)
    return f"{amount:.0f} {units[0]}" if units[0] == "B" else f"{amount:.1f} {units[0]}"


def dollars(cost: float) -> str:
    """A price to a millionth of a dollar: `$0.000123`, `$0`."""
    return f"${cost:.6f}".rstrip("0").rstrip(".") if cost else "$0"
