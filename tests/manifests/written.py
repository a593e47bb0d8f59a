"""Manifests, written for a test."""

from __future__ import annotations

from pathlib import Path

MANIFEST = """\
ref: {ref}
title: {title}
provider: mock
models: {{default: mock}}
inputs: {{type: object}}
example: {{messages: [{{role: user, content: hi}}]}}
"""


def put(folder: Path, ref: str, title: str = "mine", text: str = MANIFEST) -> Path:
    file = folder / f"{ref}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text.format(ref=ref, title=title))
    return file
