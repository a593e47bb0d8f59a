"""The pages of the documentation are true where they use Docker."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from tests.docker.conftest import Daemon
from tests.docker.registry import Registry
from tests.pages import run_page


def test_getting_started_goes_from_a_container_to_an_image_in_a_registry(
    environment: dict[str, str], working_folder: Path, tmp_path: Path, pushed_layers: Path
) -> None:
    with Registry(tmp_path / "registry") as registry:
        registry.has_layers_of(pushed_layers, "llm-litellm")
        there = {**environment, "REGISTRY": registry.address}
        printed = run_page("docs/getting-started.md", "sh docker", there, working_folder)
    assert "Mock answer" in printed and "stopped llm/litellm@1 (docker)" in printed
    pushed = (working_folder / "image").read_text()
    assert pushed.startswith(f"{registry.address}/llm-litellm@sha256:")


def test_images_that_were_built_are_removed(
    daemon: Daemon, environment: dict[str, str], working_folder: Path, tmp_path: Path
) -> None:
    """The page's command would remove the images of tests that run beside it, so it gets one filter more."""
    own = f"theoryctl.test={secrets.token_hex(8)}"
    base = f"FROM {environment['THEORYCTL_BASE_IMAGE']}\nLABEL {own}"
    built, another = daemon.image(f"{base} dev.theoryctl.context=1"), daemon.image(base)
    docker = tmp_path / "bin/docker"
    docker.parent.mkdir()
    docker.write_text(f'#!/bin/sh\nexec {shutil.which("docker")} "$@" --filter label={own}\n')
    docker.chmod(0o755)
    there = {**environment, "PATH": f"{docker.parent}:{environment['PATH']}"}
    run_page("docs/uninstall.md", "sh docker", there, working_folder)
    assert daemon("images", "--quiet", "--no-trunc", "--filter", f"label={own}").split() == [another]
    daemon("rmi", another)
    assert built != another
