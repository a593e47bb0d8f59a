"""Results of `theoryctl mocks`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from theoryctl_providers.authored.script_check import ScriptProblem


@dataclass(frozen=True, slots=True)
class Checked:
    """A script that was checked: the number of its rules, and what is wrong or odd in it."""

    file: str
    rules: int
    problems: tuple[ScriptProblem, ...]


@dataclass(frozen=True, slots=True)
class ScriptsChecked:
    """Scripts that were checked. Near misses alone are no failure."""

    files: tuple[Checked, ...]

    @property
    def exit_status(self) -> int:
        """3 where a script is invalid, or a rule or pattern of it has no effect."""
        return 3 if any(each.kind != "near" for checked in self.files for each in checked.problems) else 0

    def document(self) -> dict[str, Any]:
        files = [
            {"file": checked.file, "rules": checked.rules, "problems": [_problem(each) for each in checked.problems]}
            for checked in self.files
        ]
        return {"schema": "theoryctl.mocks-check/v1", "valid": not self.exit_status, "files": files}


def _problem(found: ScriptProblem) -> dict[str, Any]:
    problem = found.problem
    place = {"line": problem.line, "column": problem.column, "path": problem.path}
    return {"kind": found.kind, **place, "what": problem.what}
