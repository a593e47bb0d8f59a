"""A background process that the kernel ends because memory ran out: its log says so, where one may read it.

Here rather than beside the process runtime, for only here are root and control groups promised.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REF, Cli, messages
from tests.docker.conftest import error

START = ("local", "start", "--ref", REF, "--runtime", "process")


@pytest.fixture
def small_group() -> Iterator[Path]:
    """A control group that lets its processes take 4 MiB more than they have."""
    first = Path("/sys/fs/cgroup/memory")  # there is one for each resource in version 1 alone
    above, limit = (first, "memory.limit_in_bytes") if first.is_dir() else (first.parent, "memory.max")
    group = above / f"theoryctl-test-{os.getpid()}"
    group.mkdir()
    (group / limit).write_text(str(4 << 20))
    yield group
    group.rmdir()


def test_a_run_on_a_process_that_the_kernel_ended_for_its_memory_says_so(cli: Cli, small_group: Path) -> None:
    instance = cli(*START, "--json").document
    (small_group / "cgroup.procs").write_text(str(instance["pid"]))
    large = ("local", "run", "--ref", REF, "--inputs", "-", "--json")
    for stdin in (messages("x" * (12 << 20)), messages("it is gone")):
        ran = cli(*large, stdin=stdin)
        assert error(ran) == (5, "ERR_NOT_RUNNING")
        assert "because memory ran out" in ran.document["error"]["message"]
        assert ran.document["error"]["hint"].startswith("free some memory, then: theoryctl local start --ref")
