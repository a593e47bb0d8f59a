"""The result of `manifest test --runtimes`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from theoryctl_providers.contract import VERSION


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
    #: The image of each runtime that runs one.
    images: dict[str, str]

    @property
    def difference(self) -> str | None:
        """The first difference in words; None where all answers are the same."""
        first = {each.question: each for each in self._of(self.runtimes[0])}
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
        facts = {"schema": "theoryctl.sameness/v1", "ref": self.ref, "version": VERSION}
        where = {"runtimes": list(self.runtimes), "images": self.images}
        return {**facts, **where, "same": self.difference is None, "difference": self.difference, "asked": asked}

    def lines(self) -> list[str]:
        """A line for each runtime, and the verdict: the same everywhere, or the first difference."""
        lines = [
            f"{runtime:8}  {len(self._of(runtime))} inputs  {self.images.get(runtime, '')}".rstrip()
            for runtime in self.runtimes
        ]
        same = f"the same in {', '.join(self.runtimes)}"
        return [*lines, f"differs: {self.difference}" if self.difference else same]

    def markdown(self) -> str:
        """The report as Markdown, for the notes of a release: a row for each output and digest, with its runtimes."""
        where: dict[tuple[str, str, str], list[str]] = {}
        for each in self.asked:
            for name, digest in sorted(each.outputs.items()):
                where.setdefault((each.question, name, digest), []).append(each.runtime)
        rows = [
            f"| {question.replace('|', '&#124;')} | {name} | `{digest}` | {', '.join(runtimes)} |"
            for (question, name, digest), runtimes in where.items()
        ]
        verdict = self.difference or "All runtimes gave the same outputs."
        images = [f"The image of {runtime} is `{image}`." for runtime, image in self.images.items()]
        facts = " ".join([f"theoryctl {VERSION}.", verdict, *images])
        head = [f"# {self.ref} in {', '.join(self.runtimes)}", "", facts, ""]
        return "\n".join([*head, "| inputs | output | digest | runtimes |", "|---|---|---|---|", *rows, ""])

    def _of(self, runtime: str) -> list[Asked]:
        return [each for each in self.asked if each.runtime == runtime]
