"""The pages of the documentation are true where they use Docker."""

from __future__ import annotations

from pathlib import Path

from tests.docker.registry import Registry
from tests.pages import run_page


def test_getting_started_goes_from_a_container_to_an_image_in_a_registry(
    environment: dict[str, str], working_folder: Path, tmp_path: Path
) -> None:
    with Registry(tmp_path / "registry") as registry:
        there = {**environment, "REGISTRY": registry.address}
        printed = run_page("docs/getting-started.md", "sh docker", there, working_folder)
    assert "Mock answer" in printed and "stopped llm/litellm@1 (docker)" in printed
    pushed = (working_folder / "image").read_text()
    assert pushed.startswith(f"{registry.address}/llm-litellm@sha256:")


def test_images_that_were_built_are_removed(environment: dict[str, str], working_folder: Path) -> None:
    run_page("docs/uninstall.md", "sh docker", environment, working_folder)
