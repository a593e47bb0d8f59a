"""Outputs as files."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

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


#: Names of outputs, each pair of which once were one file, or are where upper and lower case are one.
SAME = {
    "the index's": ("_outputs", "outputs"),
    "the index's in capitals": ("OUTPUTS", "_outputs"),
    "upper and lower case": ("Page", "page"),
    "other characters": ("page/1", "page_1"),
    "one character in two forms": ("caf\u00e9", "cafe\u0301"),
    "an accent and another": ("\u00e9", "\u00e8"),
    "hidden": (".page", "page"),
    "covered": ("[KEY]", "_KEY_"),
    "no name": ("", "output"),
    "what stands before a name that is taken": ("a/_", "a__"),
}


@pytest.mark.parametrize("names", SAME.values(), ids=SAME)
def test_no_output_is_written_over_another_or_over_the_index(tmp_path: Path, names: tuple[str, str]) -> None:
    outputs = [
        OutputDocument(name=name, media_type="application/json", size=1, digest=sha256(b"a"), json=name)
        for name in names
    ]
    saved = OutputFolder(str(tmp_path)).save(build_envelope(error=None, ref="a/b@1", outputs=outputs))["outputs"]
    assert [json.loads(Path(output["path"]).read_bytes()) for output in saved] == [output["name"] for output in saved]
    assert len({path.name.lower() for path in tmp_path.iterdir()}) == 3
    index = json.loads((tmp_path / "outputs.json").read_bytes())
    assert [output["path"] for output in index["outputs"]] == [Path(output["path"]).name for output in saved]


def test_the_file_of_an_output_called_outputs_keeps_its_name(tmp_path: Path) -> None:
    output = OutputDocument(name="outputs", media_type="application/json", size=1, digest=sha256(b"1"), json=1)
    OutputFolder(str(tmp_path)).save(build_envelope(error=None, ref="a/b@1", outputs=[output]))
    assert (tmp_path / "_outputs.json").read_bytes() == b"1"
