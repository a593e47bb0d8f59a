"""Cost of answers that nobody knows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from theoryctl.batch.answers import Finished
from theoryctl.batch.cost import bounds_of
from theoryctl.requests.billing import paid


@dataclass(slots=True)
class Unpriced:
    """The most that answers have cost, in US dollars by custom id, where nobody knows it.

    `custom_ids` are those of the lines, by their index.
    """

    default_model: str | None
    custom_ids: Mapping[int, str]
    usd: dict[str, float] = field(default_factory=dict)

    def look(self, finished: Sequence[Finished]) -> None:
        """Add the answers of these lines whose cost is not known."""
        for each in finished:
            custom_id = self.custom_ids[each.number - 1]
            if paid(each.envelope) is None:
                self.usd[custom_id] = bounds_of(each.request, self.default_model, batched=True).usd or 0.0

    def sum(self, custom_ids: Collection[str]) -> float:
        """Return the most that the answers to these requests have cost."""
        return sum(self.usd.get(each, 0.0) for each in custom_ids)
