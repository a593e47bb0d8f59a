"""Attachments of `theoryctl modal run`: inside the call, or through the Volume."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from grpclib import Status

from tests.conftest import REF, Cli
from tests.docker.conftest import error
from tests.modal.host.running import Acme, Asked, Start
from tests.modal.service import Modal

MEBIBYTE = 1 << 20


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    sizes = {"small": 1000, "edge": MEBIBYTE - 1000, "large": MEBIBYTE + 1, "other": 3 * MEBIBYTE}
    made = {}
    for name, size in sizes.items():
        made[name] = tmp_path / f"{name}.bin"
        made[name].write_bytes(name.encode() + bytes(range(250)) * (size // 250 + 1))
        with made[name].open("r+b") as file:
            file.truncate(size)
    return made


def attached(*files: Path) -> list[str]:
    return [word for file in files for word in ("--attach", f"{file.stem}={file}")]


def digests(*files: Path) -> str:
    return "".join(f"{file.stem} {hashlib.sha256(file.read_bytes()).hexdigest()}\n" for file in files)


def test_small_attachments_travel_inside_the_call(
    acme: Acme, start: Start, asked: Asked, modal: Modal, files: dict[str, Path]
) -> None:
    ref = acme("Files")
    start(ref)
    ran = asked(ref, "x", "--mode", "real", *attached(files["small"], files["edge"]))
    assert ran.out.strip() == digests(files["small"], files["edge"]).strip()
    assert uploads(modal) == []


def test_large_ones_go_through_the_volume_once_and_are_seen_by_a_container_that_is_older(
    acme: Acme, start: Start, asked: Asked, modal: Modal, cli: Cli, files: dict[str, Path]
) -> None:
    ref = acme("Files")
    start(ref)
    once: list[str] = []
    for _ in range(2):
        ran = asked(ref, "x", "--mode", "real", *attached(files["large"], files["small"]))
        assert ran.out.strip() == digests(files["large"], files["small"]).strip()
        once = once or uploads(modal)
    assert uploads(modal) == once
    assert set(once) == {f"sha256/{hashlib.sha256(files['large'].read_bytes()).hexdigest()}"}
    assert modal.requests("VolumeReload") == []
    assert asked(ref, "x", "--mode", "real", *attached(files["other"])).out.strip() == digests(files["other"]).strip()
    assert (len(set(uploads(modal))), len(modal.requests("VolumeReload"))) == (2, 1)
    modal.refuse("VolumeReload", Status.FAILED_PRECONDITION, message="there are open files")
    with files["large"].open("ab") as file:
        file.write(b"more")
    refused = asked(ref, "x", "--mode", "real", *attached(files["large"]), "--json")
    assert error(refused) == (5, "ERR_MODAL_UNAVAILABLE")
    assert "there are open files" in refused.document["error"]["message"]
    assert cli("modal", "stop", "--ref", ref).status == 0
    assert modal.volumes() == {}


def test_in_mock_mode_nothing_is_uploaded_for_the_digest_is_all_that_counts(
    start: Start, cli: Cli, modal: Modal, files: dict[str, Path]
) -> None:
    start()
    said = [cli(where, "run", "--ref", REF, *attached(*files.values()), "--json") for where in ("modal", "local")]
    assert said[0].document["outputs"] == said[1].document["outputs"]
    assert said[0].document["meta"]["attachments"] == said[1].document["meta"]["attachments"]
    assert uploads(modal) == []


def uploads(modal: Modal) -> list[str]:
    """Find the places of files in volumes."""
    return [file.path for request in modal.requests("VolumePutFiles2") for file in request.files if file.size]
