"""The steps of workflows and composite actions, run as GitHub's runner runs them, where they are of bash.

Steps with `uses` are noted and not run: nothing here has the actions of others. Of expressions there are contexts,
`==`, `!=`, `&&`, `||` and the functions of a status.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
_CONTEXT = re.compile(r"\b[a-z]+(?:\.[\w-]+)+")


@dataclass
class Runner:
    """A job on a runner: its environment, which steps add to, and what became of the steps."""

    environment: dict[str, str]
    workspace: Path
    contexts: dict[str, Any]
    failed: bool = False
    printed: str = ""
    #: Inputs of the steps that use an action, by the name of the action.
    used: dict[str, dict[str, str]] = field(default_factory=dict)

    def run(self, steps: list[dict[str, Any]]) -> None:
        """Run steps in their order."""
        for step in steps:
            if self.is_met(str(step.get("if", "success()"))):
                outcome = "success" if self._run(step) else "failure"
                self.failed |= outcome == "failure"
                if "id" in step:
                    self.contexts["steps"].setdefault(step["id"], {"outputs": {}})["outcome"] = outcome

    def is_met(self, condition: str) -> bool:
        """Return whether a condition of a step holds: without a function of a status, only after no failure."""
        said = _EXPRESSION.sub(r"\1", condition)
        functions = {"success": lambda: not self.failed, "failure": lambda: self.failed, "always": lambda: True}
        if not any(f"{name}()" in said for name in functions):
            said = f"success() and ({said})"
        known = _CONTEXT.sub(lambda found: repr(self.value(found[0])), said).replace("&&", "and").replace("||", "or")
        return bool(eval(known, {"__builtins__": {}}, functions))

    def value(self, context: str) -> str:
        """Return the value of a context such as `inputs.ref`; nothing where it has none."""
        value: Any = self.contexts
        for name in context.split("."):
            value = value.get(name, {})
        return str(value) if value != {} else ""

    def text(self, text: object) -> str:
        """Return a text with the values of its expressions."""
        return _EXPRESSION.sub(lambda found: self.value(found[1]), str(text))

    def _run(self, step: Mapping[str, Any]) -> bool:
        if "uses" in step:
            self.used[step["uses"]] = {name: self.text(value) for name, value in step.get("with", {}).items()}
            return True
        own = {name: self.text(value) for name, value in step.get("env", {}).items()}
        files = {name: self.workspace.parent / name.lower() for name in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH")}
        for file in files.values():
            file.write_text("")
        # https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax: `shell: bash`
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", self.text(step["run"])],
            env={**self.environment, **own, **{name: str(file) for name, file in files.items()}},
            cwd=self.workspace,
            capture_output=True,
            text=True,
            timeout=240,
        )
        self.printed += done.stdout + done.stderr
        self.environment |= _assigned(files["GITHUB_ENV"])
        if "id" in step:
            self.contexts["steps"][step["id"]] = {"outputs": _assigned(files["GITHUB_OUTPUT"])}
        added = files["GITHUB_PATH"].read_text().split()
        self.environment["PATH"] = os.pathsep.join([*reversed(added), self.environment["PATH"]])
        return done.returncode == 0


def document(file: Path) -> dict[str, Any]:
    """Read a workflow or the metadata of an action. Every scalar is a text: the `on` of a workflow is no boolean."""
    return dict(yaml.load(file.read_text(), yaml.BaseLoader))


def action(folder: Path, runner: Runner, **inputs: str) -> dict[str, str]:
    """Run a composite action with inputs, and return its outputs."""
    metadata = document(folder / "action.yml")
    assert not inputs.keys() - metadata["inputs"].keys()
    runner.contexts["github"]["action_path"] = str(folder)
    defaults = {name: runner.text(each["default"]) for name, each in metadata["inputs"].items()}
    runner.contexts |= {"inputs": {**defaults, **inputs}, "steps": {}}
    runner.run(metadata["runs"]["steps"])
    return {name: runner.text(each["value"]) for name, each in metadata["outputs"].items()}


def _assigned(file: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in file.read_text().splitlines())
