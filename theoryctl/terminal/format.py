"""Values in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def paired(pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Names and their values, below each other."""
    width = max(len(name) for name, _ in pairs)
    return (f"{name:<{width}}  {value}" for name, value in pairs)


def short_digest(digest: str | None) -> str:
    """As much of a digest as tells it from others, as `docker images` shows it."""
    return digest.removeprefix("sha256:")[:12] if digest else "-"


def time_words(seconds: float) -> str:
    """A duration in its largest unit: `3 s`, `5 min`, `2 h`, `4 d`."""
    amount = max(0, int(seconds))
    for unit, size in (("s", 60), ("min", 60), ("h", 24)):
        if amount < size:
            return f"{amount} {unit}"
        amount //= size
    return f"{amount} d"
