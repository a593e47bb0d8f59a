"""Format durations, sizes, prices, digests and pairs for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from theoryctl.manifests.model import Resources


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


def rate_words(rate: float) -> str:
    """A number per second in three digits or more: `0.25`, `31.4`, `10,500`."""
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def size_words(size: int) -> str:
    """Bytes in the largest decimal unit that leaves at least 1: `999 B`, `1.5 MB`."""
    amount, units = float(size), ["B", "kB", "MB", "GB"]
    while amount >= 1000 and len(units) > 1:
        amount /= 1000
        units.pop(0)
    return f"{amount:.0f} {units[0]}" if units[0] == "B" else f"{amount:.1f} {units[0]}"


#: The eighths of a character (Unicode: Block Elements).
_EIGHTHS = " ▏▎▍▌▋▊▉"


def bar(share: float, length: int) -> str:
    """A share of a bar that has `length` characters, to an eighth of one; what is not nothing is seen."""
    eighths = max(round(share * length * 8), 1) if share > 0 else 0
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()


def containers(resources: Resources) -> str:
    """The containers that Modal may run: `0 to 4 containers`, and what else was asked for."""
    said = [f"{resources.min_containers} to {resources.max_containers} containers"]
    if resources.buffer_containers:
        said.append(f"{resources.buffer_containers} spare")
    if resources.scaledown_window is not None:
        said.append(f"idle for {resources.scaledown_window} s")
    if resources.nonpreemptible:
        said.append("nonpreemptible")
    said += [text for text in (resources.region, resources.gpu and f"GPU {resources.gpu}") if text]
    return ", ".join(said)
