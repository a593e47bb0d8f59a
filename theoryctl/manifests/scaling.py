"""Limits of `resources` that Modal sets and no type can say: names of GPUs, and the minimum against the maximum."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from theoryctl_providers.authored.yaml_document import Path

#: GPUs of one container at most, by name (modal.com/docs/guide/gpu, "Specifying GPU type" and "Specifying GPU count").
#: A10G is the older name of A10. For RTX-PRO-6000 the page says no number, so it is held to that of the others.
GPUS = {
    **dict.fromkeys(("T4", "L4", "L40S", "A100", "A100-40GB", "A100-80GB", "RTX-PRO-6000"), 8),
    **dict.fromkeys(("H100", "H100!", "H200", "B200", "B200+"), 8),
    **dict.fromkeys(("A10", "A10G"), 4),
}


def misfits(resources: Any, default_max: int) -> Iterator[tuple[Path, str]]:
    """Find values of a manifest's `resources` that Modal would refuse, with the place of each.

    `default_max` is `max_containers` where it is not set.
    """
    if isinstance(resources, dict):
        yield from _gpu(resources.get("gpu"))
        yield from _containers(resources.get("min_containers"), resources.get("max_containers", default_max))


def _gpu(name: Any) -> Iterator[tuple[Path, str]]:
    """Check a GPU: its name in capitals or not, and `:` with a number for more than one."""
    # `modal/_utils/function_utils.py` (`parse_gpu_config`) reads it so.
    if not isinstance(name, str) or not name:
        return
    kind, colon, count = name.partition(":")
    most = GPUS.get(kind.upper())
    if most is None:
        yield ("resources", "gpu"), f"expected one of {', '.join(GPUS)}, got {name!r:.60}"
    elif colon and count not in map(str, range(1, most + 1)):
        yield ("resources", "gpu"), f"expected {kind}:1 to {kind}:{most}, got {name!r:.60}"


def _containers(least: Any, most: Any) -> Iterator[tuple[Path, str]]:
    # `modal/_functions.py` (`_Function.from_local`) refuses a minimum above the maximum.
    if isinstance(least, int) and isinstance(most, int) and least > most:
        yield ("resources", "min_containers"), f"expected at most max_containers, which is {most}, got {least}"
