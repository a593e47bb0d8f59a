"""Outputs as files."""

from __future__ import annotations

import base64
from pathlib import Path

from theoryctl.requests.saved_outputs import OutputFolder
from theoryctl_providers.contract import OutputDocument, build_envelope, sha256

PNG = b"\x89PNG\r\n\x1a\n"


def test_an_image_is_saved_as_its_bytes(tmp_path: Path) -> None:
    image = OutputDocument(
        name="image.1",
        media_type="image/png",
        size=len(PNG),
        digest=sha256(PNG),
        base64=base64.b64encode(PNG).decode(),
    )
    saved = OutputFolder(str(tmp_path)).save(build_envelope(error=None, ref="a/b@1", outputs=[image]))
    assert (tmp_path / "image.1.png").read_bytes() == PNG
    (output,) = saved["outputs"]
    assert output["path"] == str(tmp_path / "image.1.png") and "base64" not in output
