"""The branch and the CI run that a run belongs to, read without starting git."""

from __future__ import annotations

import os
from functools import cache

from theoryctl_providers.contract import read_regular

#: Variables of the branch: ours, of GitHub Actions (a pull request's first), GitLab CI, Jenkins, CircleCI, Buildkite.
_BRANCHES = (
    "GIT_BRANCH",
    "GITHUB_HEAD_REF",
    "GITHUB_REF_NAME",
    "CI_COMMIT_REF_NAME",
    "BRANCH_NAME",
    "CIRCLE_BRANCH",
    "BUILDKITE_BRANCH",
)
#: Variables of the run: of GitHub Actions, GitLab CI, CircleCI, Buildkite, Azure Pipelines, Jenkins.
_RUNS = (
    "GITHUB_RUN_ID",
    "CI_PIPELINE_ID",
    "CIRCLE_WORKFLOW_ID",
    "BUILDKITE_BUILD_ID",
    "BUILD_BUILDID",
    "BUILD_TAG",
)
_HEAD = "ref: refs/heads/"
_LONGEST = 120


def branch() -> str | None:
    """Return the branch that CI names, else that of the git repository around the working folder; None for none."""
    named = next(filter(None, map(os.environ.get, _BRANCHES)), None)
    return named[:_LONGEST] if named else _checked_out(os.path.abspath("."))


def ci_run() -> str | None:
    """Return the id of the CI run; None outside of CI."""
    found = next(filter(None, map(os.environ.get, _RUNS)), None)
    return found and found[:_LONGEST]


@cache
def _checked_out(folder: str) -> str | None:
    """The branch in HEAD (gitrepository-layout(5)); a worktree has a file in the place of the folder .git."""
    above = None
    while folder != above:
        git = os.path.join(folder, ".git")
        try:
            if os.path.isfile(git):
                git = os.path.join(folder, read_regular(git, 4096).decode().removeprefix("gitdir:").strip())
            head = read_regular(os.path.join(git, "HEAD"), 4096).decode().strip()
        except (OSError, ValueError):
            folder, above = os.path.dirname(folder), folder
            continue
        return head.removeprefix(_HEAD)[:_LONGEST] if head.startswith(_HEAD) else None
    return None
