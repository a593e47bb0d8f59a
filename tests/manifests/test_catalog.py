"""The folders in which manifests are looked for, and their order."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REF, THEORYCTL, Cli
from tests.manifests.written import put
from theoryctl.errors import BadManifest, RefNotFound, UsageError
from theoryctl.manifests.cache import read_manifest
from theoryctl.manifests.catalog import Catalog
from theoryctl.manifests.model import MAX_BYTES
from theoryctl.refs import ProviderRef


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """A folder for each place that is searched, in order; nothing in them yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("THEORYCTL_MANIFESTS", str(tmp_path / "variable"))
    monkeypatch.setenv("THEORYCTL_CACHE_DIR", str(tmp_path / "cache"))
    site = tmp_path / "site"
    names = {
        "--manifests": tmp_path / "flag",
        "THEORYCTL_MANIFESTS": tmp_path / "variable",
        "project": tmp_path / "manifests",
        "user": tmp_path / "config" / "theoryctl" / "manifests",
        "package acme": site / "acme_manifests",
    }
    for folder in names.values():
        folder.mkdir(parents=True)
    info = site / "acme-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[theoryctl.manifests]\nacme = acme_manifests\n")
    monkeypatch.syspath_prepend(str(site))
    return names


def test_the_places_are_searched_in_the_documented_order(places: dict[str, Path]) -> None:
    ref = ProviderRef.parse("acme/echo@1")
    for source, folder in reversed(places.items()):
        put(folder, "acme/echo@1", title=source)
        found = Catalog(str(places["--manifests"])).find(ref)
        assert (found.source, found.load().title) == (source, source)


def test_a_ref_found_twice_is_listed_once_as_the_one_that_wins(places: dict[str, Path]) -> None:
    put(places["user"], "acme/echo@1")
    put(places["project"], "acme/echo@1")
    listed = [found for found in Catalog().all() if str(found.ref) == "acme/echo@1"]
    assert [found.source for found in listed] == ["project"]


def test_the_bundled_manifests_are_found_from_anywhere(places: dict[str, Path]) -> None:
    assert Catalog().find(ProviderRef.parse(REF)).source == "bundled"


def test_a_ref_nobody_knows_says_where_it_was_looked_for_and_what_may_have_been_meant(places: dict[str, Path]) -> None:
    with pytest.raises(RefNotFound) as caught:
        Catalog().find(ProviderRef.parse("llm/litelm@1"))
    assert caught.value.hint == "use llm/litellm@1"
    assert all(source in caught.value.message for source in ("project", "user", "bundled", "package acme"))


@pytest.mark.parametrize("name", ["echo@1.yml", "echo.yaml", "echo.yml"])
def test_a_manifest_whose_file_is_called_otherwise_is_told_with_the_command_that_renames_it(
    cli: Cli, working_folder: Path, name: str
) -> None:
    put(working_folder / "manifests", "acme/echo@1")
    there = "manifests/acme/echo@1.yaml"
    (working_folder / there).rename(working_folder / "manifests/acme" / name)
    error = cli("local", "run", "hi", "--ref", "acme/echo@1", "--json").document["error"]
    assert error["message"] == f"no manifest for 'acme/echo@1': expected {there}, got manifests/acme/{name}"
    assert error["hint"] == f"mv manifests/acme/{name} {there}"
    subprocess.run(error["hint"], shell=True, check=True, cwd=working_folder)
    assert cli("manifest", "show", "acme/echo@1").status == 0


def test_a_folder_that_was_asked_for_must_be_there(places: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match="--manifests"):
        Catalog("/no/such/folder").find(ProviderRef.parse(REF))


def test_files_that_are_not_named_like_a_ref_are_passed_over(places: dict[str, Path]) -> None:
    (places["project"] / "llm").mkdir()
    for name in ("README.md", "x@one.yaml", "Upper@1.yaml", "x@1.yml"):
        (places["project"] / "llm" / name).write_text("{")
    assert {str(found.ref) for found in Catalog().all()} == {"llm/litellm@1", "llm/mock@1"}


def test_list_shows_a_broken_manifest_as_broken_and_goes_on(cli: Cli, tmp_path: Path) -> None:
    put(tmp_path / "m", "acme/broken@1", text="titel: x\n")
    rows = {
        row["ref"]: row
        for row in cli("manifest", "list", "--manifests", str(tmp_path / "m"), "--json").document["manifests"]
    }
    assert rows["acme/broken@1"]["problem"] == "ERR_MANIFEST"
    assert rows[REF]["problem"] is None
    plain = cli("manifest", "list", "--manifests", str(tmp_path / "m"))
    assert plain.status == 0
    assert plain.out.splitlines()[0].split("\t")[:2] == ["acme/broken@1", "ERR_MANIFEST"]


def test_a_broken_manifest_does_not_keep_another_ref_from_running(cli: Cli, tmp_path: Path) -> None:
    put(tmp_path / "m", "acme/broken@1", text="titel: x\n")
    assert cli("local", "run", "--ref", REF, "--manifests", str(tmp_path / "m")).status == 0
    broken = cli("local", "run", "--ref", "acme/broken@1", "--manifests", str(tmp_path / "m"), "--json")
    assert (broken.status, broken.document["error"]["code"]) == (3, "ERR_MANIFEST")


def test_validate_reports_every_file_and_exits_3(cli: Cli, tmp_path: Path) -> None:
    good, bad = put(tmp_path / "m", "acme/good@1"), put(tmp_path / "m", "acme/bad@1", text="titel: x\n")
    assert cli("manifest", "validate", str(good), "--json").document["files"] == [str(good)]
    ran = cli("manifest", "validate", str(good), str(bad), str(tmp_path / "none.yaml"), "--json")
    assert ran.status == 3
    assert f"{bad}:1:1: titel: expected 'title', got an unknown key" in ran.document["error"]["message"]
    assert "none.yaml: cannot be read" in ran.document["error"]["message"]


def test_validate_without_files_checks_all_that_can_be_found(cli: Cli, tmp_path: Path) -> None:
    put(tmp_path / "work" / "manifests", "acme/bad@1", text="titel: x\n")
    assert cli("manifest", "validate").status == 3
    assert cli("manifest", "validate", cwd=tmp_path).out.count("valid ") == 2


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("llm/Foo@1.yaml", "'llm/Foo@1' is not a provider ref: the name 'Foo' has upper-case letters"),
        ("LLM/foo@1.yaml", "upper-case"),
        ("llm/foo@one.yaml", "the version 'one' is not a positive integer"),
        ("llm/foo@1.yml", "the version '1.yml' is not a positive integer"),
        (f"llm/{'f' * 64}@1.yaml", "longer than 63"),
    ],
)
def test_validate_tells_of_a_path_that_says_no_ref_and_of_what_else_is_wrong(
    cli: Cli, tmp_path: Path, name: str, reason: str
) -> None:
    file = tmp_path / "m" / name
    file.parent.mkdir(parents=True)
    file.write_text("titel: x\n")
    ran = cli("manifest", "validate", str(file), "--json")
    first, *others = ran.document["error"]["message"].splitlines()
    assert ran.status == 3
    assert first.startswith(f"{file}:1:1: expected namespace/name@version.yaml at the end of its path: ")
    assert reason in first
    assert any("titel: expected 'title', got an unknown key" in line for line in others)


@pytest.mark.parametrize("name", ["m.yaml", "Draft/Foo.yaml", "llm/foo.yml"])
def test_validate_checks_a_file_elsewhere_under_any_other_name(cli: Cli, tmp_path: Path, name: str) -> None:
    file = put(tmp_path / "m", "acme/echo@1").rename(tmp_path / "other")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    file.rename(tmp_path / name)
    assert cli("manifest", "validate", str(tmp_path / name)).status == 0


@pytest.mark.parametrize("path", ["echo@1.yaml", "../acme/echo@1.yaml", "../other/../acme/echo@1.yaml"])
def test_validate_knows_the_ref_of_a_relative_path(cli: Cli, tmp_path: Path, path: str) -> None:
    folder = put(tmp_path / "m", "acme/echo@1").parent
    (tmp_path / "m" / "other").mkdir()
    assert cli("manifest", "validate", path, cwd=folder).status == 0


def special(folder: Path, kind: str) -> Path:
    """A path that is no regular file."""
    file = folder / "special"
    match kind:
        case "device":
            file.symlink_to("/dev/zero")
        case "fifo":
            os.mkfifo(file)
        case "folder":
            file.mkdir()
        case "none":
            pass
    return file


@pytest.mark.parametrize("kind", ["device", "fifo", "folder", "none"])
def test_what_is_no_regular_file_is_refused_without_waiting_for_it(tmp_path: Path, kind: str) -> None:
    with pytest.raises(BadManifest, match="special: cannot be read: ") as caught:
        read_manifest(special(tmp_path, kind))
    assert caught.value.hint


@pytest.mark.parametrize(
    ("closed", "arguments", "code"),
    [
        ("shut", ("manifest", "export", REF, "--to", "shut/mine"), "ERR_MANIFEST"),
        ("shut", ("manifest", "new", "acme/echo@1", "--to", "shut/mine"), "ERR_MANIFEST"),
        ("manifests", ("manifest", "list"), "ERR_MANIFEST"),
        ("manifests", ("manifest", "show", REF), "ERR_MANIFEST"),
        ("manifests/llm", ("manifest", "show", REF), "ERR_MANIFEST"),
        ("manifests/llm", ("local", "run", "--ref", REF), "ERR_MANIFEST"),
    ],
)
@pytest.mark.parametrize("mode", [0o000, 0o444])
def test_a_folder_that_may_not_be_entered_is_named(
    environment: dict[str, str], tmp_path: Path, closed: str, arguments: tuple[str, ...], code: str, mode: int
) -> None:
    folder = tmp_path / closed
    folder.mkdir(parents=True)
    folder.chmod(mode)
    # Root may enter all the same, unless that is taken away.
    bound = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    command: list[str | Path] = [*bound, THEORYCTL, *arguments, "--json"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True)
    folder.chmod(0o700)
    failure = json.loads(done.stdout)["error"]
    assert (done.returncode, failure["code"]) == (3, code), failure
    assert closed in failure["message"]
    assert list(folder.iterdir()) == []


def test_no_more_of_a_file_is_read_than_shows_that_it_is_too_large(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "sparse.yaml"
    with open(file, "wb") as opened:
        opened.truncate(1 << 40)  # takes no room on the disk, and would take a tebibyte of memory
    assert len(read_manifest(file)) == MAX_BYTES + 1
    ran = cli("manifest", "validate", str(file), "--json")
    assert (ran.status, "expected at most 1048576 bytes" in ran.document["error"]["message"]) == (3, True)


def test_a_folder_of_somebody_elses_manifests_is_not_ours(cli: Cli, working_folder: Path) -> None:
    theirs = working_folder / "manifests" / "apps" / "web@1.yaml"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n")
    assert [row["source"] for row in cli("manifest", "list", "--json").document["manifests"]] == ["bundled", "bundled"]
    assert "project" not in cli("manifest", "show", "a/b@1").err
    assert cli("manifest", "validate").status == 0
    assert cli("manifest", "export", "llm/mock@1").status == 0
    assert "project" in [row["source"] for row in cli("manifest", "list", "--json").document["manifests"]]
