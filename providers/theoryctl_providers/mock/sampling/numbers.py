"""Numbers, in exact fractions: 0.3 is a multiple of 0.1, which binary floats would deny."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from theoryctl_providers.mock.sampling.schema import Node, values

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction


class Range:
    """The numbers that the bounds and steps of a node leave."""

    def __init__(self, node: Node, *, whole: bool) -> None:
        lows = [(_exact(value), False) for value in values(node, "minimum")]
        lows += [(_exact(value), True) for value in values(node, "exclusiveMinimum")]
        highs = [(_exact(value), True) for value in values(node, "maximum")]
        highs += [(_exact(value), False) for value in values(node, "exclusiveMaximum")]
        # The flags make the stricter of two equal bounds win: low is exclusive if `above`, high inclusive if `reached`.
        low: tuple[Fraction | None, bool] = max(lows, default=(None, False))
        high: tuple[Fraction | None, bool] = min(highs, default=(None, True))
        self.low, self.above, self.high, self.reached = *low, *high
        self.step: Fraction | None = None
        for step in [_exact(value) for value in values(node, "multipleOf")] + [_exact(1)] * whole:
            self.step = _common_multiple(self.step or step, step)

    def numbers(self, turn: int) -> Iterator[int | float]:
        """Yield what is nearest zero, or near a bound that is open; `turn` moves on from there.

        To be checked: a float may have been rounded across a bound or off the grid, and without a grid not all fit.
        """
        for value in self._multiples(self.step, turn) if self.step else self._between(turn):
            yield int(value) if value.denominator == 1 else float(value)

    def _multiples(self, step: Fraction, turn: int) -> Iterator[Fraction]:
        first: float = -math.inf if self.low is None else math.ceil(self.low / step)
        last: float = math.inf if self.high is None else math.floor(self.high / step)
        first += self.low is not None and self.above and first * step == self.low
        last -= self.high is not None and not self.reached and last * step == self.high
        nearest = min(max(0, first), last)
        for offset in range(turn, turn + 100) if first <= last else ():
            if math.isfinite(first) and math.isfinite(last):
                yield int(first + (nearest - first + offset) % (last - first + 1)) * step
            else:
                yield int(nearest + offset if last == math.inf else nearest - offset) * step

    def _between(self, turn: int) -> Iterator[Fraction]:
        zero = _exact(0)
        low, high = self.low, self.high
        yield from (zero + turn, zero - turn)
        if high is not None and high <= 0:
            yield from (high - turn, _exact(math.ceil(high) - 1 - turn))
        elif low is not None:
            yield from (low + turn, _exact(math.floor(low) + 1 + turn))
        if low is not None and high is not None:
            yield low + (high - low) * (turn + 1) / (turn + 2)
            yield (low + high) / 2


def _exact(number: float) -> Fraction:
    from fractions import Fraction

    return Fraction(repr(number)) if isinstance(number, float) else Fraction(number)


def _common_multiple(one: Fraction, other: Fraction) -> Fraction:
    from fractions import Fraction

    divisor = one.denominator * other.denominator
    return Fraction(math.lcm(one.numerator * other.denominator, other.numerator * one.denominator), divisor)
