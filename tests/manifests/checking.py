"""A manifest that is valid, and the problems of those that are not."""

from __future__ import annotations

import pytest

from theoryctl.errors import BadManifest
from theoryctl.manifests.check import check_manifest
from theoryctl.refs import ProviderRef

GOOD = """\
ref: acme/echo@1
title: Echo
provider: acme.echo:Echo
models: {default: acme/one}
inputs: {type: object}
example: {}
"""


def problems(text: str | bytes, ref: str | None = None) -> list[str]:
    data = text.encode() if isinstance(text, str) else text
    with pytest.raises(BadManifest) as caught:
        check_manifest(data, "m.yaml", ref=ProviderRef.parse(ref) if ref else None)
    assert caught.value.hint
    return caught.value.message.splitlines()
