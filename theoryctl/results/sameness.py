"""The result of `manifest test --runtimes`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Asked:
    """One question in one runtime: the digests of its outputs by name, or the code of its failure as `error`."""

    runtime: str
    question: str
    outputs: dict[str, str]


@dataclass(frozen=True, slots=True)
class SamenessTested:
    """The answers of several runtimes to the same questions; the first runtime is the one that others are held to."""

    ref: str
    runtimes: tuple[str, ...]
    asked: tuple[Asked, ...]

    @property
    def difference(self) -> str | None:
        """The first difference in words; None where all answers are the same."""
        first = {each.question: each for each in self.asked if each.runtime == self.runtimes[0]}
        for each in self.asked:
            expected = first[each.question]
            for name in sorted({*expected.outputs, *each.outputs}):
                here, there = expected.outputs.get(name, "nothing"), each.outputs.get(name, "nothing")
                if here != there:
                    words = f"expected {here}, as {expected.runtime} answers, got {there}"
                    return f"{each.question}: {each.runtime}: {name}: {words}"
        return None

    @property
    def exit_status(self) -> int:
        """0 where all answers are the same, else 6."""
        return 0 if self.difference is None else 6

    def document(self) -> dict[str, Any]:
        asked = [{"runtime": each.runtime, "question": each.question, "outputs": each.outputs} for each in self.asked]
        facts = {"schema": "theoryctl.sameness/v1", "ref": self.ref, "runtimes": list(self.runtimes)}
        return {**facts, "same": self.difference is None, "difference": self.difference, "asked": asked}

    def lines(self) -> list[str]:
        """A line for each question and runtime, and the first difference."""
        lines = [f"{each.runtime:8} {each.question}: {_short(each.outputs)}" for each in self.asked]
        return [*lines, f"differs: {self.difference}" if self.difference else "the same everywhere"]

    def markdown(self) -> str:
        """The report as Markdown, for the notes of a release."""
        rows = [
            f"| {each.question} | {each.runtime} | {name} | `{digest}` |"
            for each in self.asked
            for name, digest in sorted(each.outputs.items())
        ]
        verdict = self.difference or "All runtimes gave the same outputs."
        head = [f"# {self.ref} in {', '.join(self.runtimes)}", "", verdict, ""]
        return "\n".join([*head, "| inputs | runtime | output | digest |", "|---|---|---|---|", *rows, ""])


def _short(outputs: dict[str, str]) -> str:
    return ", ".join(f"{name} {digest.removeprefix('sha256:')[:12]}" for name, digest in sorted(outputs.items()))
