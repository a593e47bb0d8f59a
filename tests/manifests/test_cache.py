"""The cache of manifests: private, believed only where it is whole and fits, and never needed."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path

import pytest

from tests.conftest import REF, Cli
from tests.manifests.written import put
from theoryctl_providers.contract import sha256


def entries(environment: dict[str, str]) -> list[Path]:
    return sorted(Path(environment["HOME"]).rglob(".cache/theoryctl/manifests/*"))


@pytest.fixture
def empty_cache(environment: dict[str, str]) -> None:
    shutil.rmtree(Path(environment["HOME"]) / ".cache")


@pytest.mark.usefixtures("empty_cache")
def test_the_cache_is_private(cli: Cli, environment: dict[str, str]) -> None:
    cli("local", "run", "--ref", REF)
    (entry,) = entries(environment)
    assert stat.S_IMODE(entry.stat().st_mode) == 0o600
    assert all(stat.S_IMODE(folder.stat().st_mode) == 0o700 for folder in (entry.parent, entry.parent.parent))


@pytest.mark.usefixtures("empty_cache")
@pytest.mark.parametrize(
    "damage",
    [b"", b"garbage", b"\xff\xfe\n{}", sha256(b"{}").encode() + b"\n{}", None],
    ids=["empty", "garbage", "bytes", "other form", "changed"],
)
def test_a_damaged_cache_is_not_believed_and_is_mended(
    cli: Cli, environment: dict[str, str], damage: bytes | None
) -> None:
    before = cli("local", "run", "--ref", REF).out
    (entry,) = entries(environment)
    good = entry.read_bytes()
    entry.write_bytes(good.replace(b"gpt-4o-mini", b"gpt-4o-evil") if damage is None else damage)
    assert cli("local", "run", "--ref", REF).out == before
    assert entry.read_bytes() == good


def test_a_changed_manifest_is_read_again(cli: Cli, tmp_path: Path) -> None:
    file = put(tmp_path / "work" / "manifests", "acme/echo@1")
    assert "from mock" in cli("local", "run", "--ref", "acme/echo@1").out
    file.write_text(file.read_text().replace("default: mock", "default: other"))
    assert "from other" in cli("local", "run", "--ref", "acme/echo@1").out


@pytest.mark.parametrize("cache", ["file", "unwritable"])
def test_a_home_that_cannot_be_written_costs_nothing_but_time(cli: Cli, tmp_path: Path, cache: str) -> None:
    folder = tmp_path / "cache"
    # A file where a folder is wanted stops even root, whom a read-only mode would not.
    folder.write_text("") if cache == "file" else os.symlink("/proc/self/nothing", folder)
    ran = cli("local", "run", "--ref", REF, env={"THEORYCTL_CACHE_DIR": str(folder)})
    assert (ran.status, ran.out.startswith("Mock answer")) == (0, True)


def test_a_cached_manifest_gives_the_same_envelope_as_a_fresh_one(cli: Cli) -> None:
    fresh, cached = (cli("local", "run", "--ref", REF, "--json").document for _ in range(2))
    assert json.dumps(fresh["outputs"]) == json.dumps(cached["outputs"])
