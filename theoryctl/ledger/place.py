"""Facts of the place where a run is made: the branch, the CI run, and the key of digests.

Equal digests can be told in one state folder, and nobody elsewhere can guess what they are of.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from theoryctl.paths import state_dir, write_private
from theoryctl_providers.contract import ProviderError, canonical, read_regular

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import Any

    from theoryctl_providers.contract import Attachment, OutputDocument

    #: The key of digests (without one rows have none), the branch and the CI run.
    Here = tuple[bytes | None, str | None, str | None]

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
#: Bytes of the key: as many as the digest has (RFC 2104, section 3).
_BYTES = 32


def here() -> Here:
    """Return the facts of this place."""
    found = None
    with suppress(OSError):
        found = key()
    return found, branch(), ci_run()


def branch() -> str | None:
    """Return the branch that CI names, else that of the git repository around the working folder; None for none.

    The repository is read without starting git.
    """
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


def key() -> bytes:
    """Return the key of this state folder, made at its first use. Raises OSError."""
    file = state_dir() / "ledger.key"
    with suppress(FileNotFoundError):
        return _read(file)
    fresh = file.with_name(f".ledger.key.{os.getpid()}")
    write_private(fresh, os.urandom(_BYTES))
    try:
        os.link(fresh, file)  # unlike a rename it fails where another process was faster, whose key counts
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return _read(file)


def _read(file: Path) -> bytes:
    found = read_regular(file, _BYTES)
    if len(found) != _BYTES:
        raise OSError(errno.EINVAL, f"expected {_BYTES} bytes", str(file))
    return found


def key_id(with_key: bytes) -> str:
    """Return a name of a key: digests are compared only where it is the same, as in one state folder."""
    return _keyed(b"key", with_key)


def inputs_digest(
    inputs: Any, attachments: Iterable[Attachment], with_key: bytes, *, checked: bool = False
) -> str | None:
    """Return the digest of inputs and of the files with them; None for inputs that have no form in JSON.

    `checked` inputs are known to have one.
    """
    files = {file.name: file.digest for file in attachments}
    try:
        return _keyed(canonical({"inputs": inputs, "files": files}, checked=checked), with_key)
    except (ProviderError, RecursionError):
        return None


def outputs_digest(outputs: Iterable[OutputDocument], with_key: bytes) -> str | None:
    """Return the digest of outputs, by the names and digests that an envelope gives; None where there are none."""
    found = {output["name"]: output["digest"] for output in outputs}
    return _keyed(canonical(found, checked=True), with_key) if found else None


def _keyed(data: bytes, with_key: bytes) -> str:
    from hmac import new  # its `digest` searches OpenSSL anew: four times the cost of the first one

    return f"hmac-sha256:{new(with_key, data, 'sha256').hexdigest()}"
