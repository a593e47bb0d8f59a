"""Problems of a batch's lines: equal ones are told once, with the numbers of their lines."""

from __future__ import annotations

from dataclasses import dataclass, field

from theoryctl.batch.lines import NoObject
from theoryctl.errors import BadInputs
from theoryctl.hints import again
from theoryctl_providers.contract import ProviderError

#: Problems that are told, and ranges of lines for each.
MOST_PROBLEMS = 20

_SHAPE = '{"messages": [...]}'


@dataclass(slots=True)
class _Problem:
    """One problem: its first error, and the ranges of lines that have it, of which the first are kept."""

    error: ProviderError
    ranges: list[list[int]] = field(default_factory=list)
    more: int = 0

    def add(self, number: int) -> None:
        if self.ranges and self.ranges[-1][1] == number - 1 and not self.more:
            self.ranges[-1][1] = number
        elif len(self.ranges) < MOST_PROBLEMS:
            self.ranges.append([number, number])
        else:
            self.more += 1

    def told(self) -> str:
        """The problem, after its lines: `line 2: …`, `lines 1-20, 22: …`."""
        ranges = [f"{first}" if first == last else f"{first}-{last}" for first, last in self.ranges]
        word = "line" if len(ranges) == 1 and "-" not in ranges[0] else "lines"
        more = f" and {self.more} more" if self.more else ""
        message = self.error.message.removeprefix("inputs: ").removeprefix("the line: ")
        return f"{word} {', '.join(ranges)}{more}: {message}".replace("\n", "\n  ")


@dataclass(slots=True)
class Problems:
    """The problems of lines; `untold` counts lines whose problem is one too many to be told."""

    untold: int = 0
    _found: dict[str, _Problem] = field(default_factory=dict)

    def add(self, number: int, error: ProviderError) -> None:
        """Add the problem of a line, by its number from 1."""
        problem = self._found.get(error.message)
        if problem is None and len(self._found) < MOST_PROBLEMS:
            problem = self._found[error.message] = _Problem(error)
        if problem is None:
            self.untold += 1
        else:
            problem.add(number)

    def refusal(self, name: str, invalid: int, lines: int) -> BadInputs:
        """Return the error for `invalid` of all `lines` that are not blank, in the file `name`.

        Leaving them out is a way on only if some would be left.
        """
        which = f"{invalid} lines are" if invalid > 1 else "1 line is"
        head = f"{name}: {which} not valid, of {lines}; nothing was asked:"
        if invalid < lines:
            hint = again("mend them, or leave them out with --skip-invalid", skip_invalid=True)
            return self._error(head, hint)
        problems = list(self._found.values())
        if all(isinstance(problem.error, NoObject) for problem in problems):
            expected = f"{name}: expected JSON, one object a line: {_SHAPE}; nothing was asked:"
            return self._error(expected, 'write each line as {"messages": [{"role": "user", "content": "Hello"}]}')
        return self._error(head, problems[0].error.hint if len(problems) == 1 else "correct the lines")

    def _error(self, head: str, hint: str | None) -> BadInputs:
        more = [f"and {self.untold} more lines"] if self.untold else []
        told = [*(problem.told() for problem in self._found.values()), *more]
        return BadInputs("\n  ".join([head, *told]), hint=hint)
