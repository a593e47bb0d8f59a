"""Changes of a provider since an instance of it was started."""

from __future__ import annotations

from theoryctl.instances.instance import Instance
from theoryctl.manifests.cache import read_manifest
from theoryctl.manifests.catalog import Found
from theoryctl.manifests.code import code_digest, code_paths
from theoryctl_providers.contract import sha256


def changed_since(instance: Instance, found: Found) -> str | None:
    """Return `manifest` or `code` where that is another than at the start; None where nothing has changed.

    Raises BadManifest for a manifest that cannot be read.
    """
    if sha256(read_manifest(found.file)) != instance.manifest_digest:
        return "manifest"
    if instance.code is None or instance.code == code_digest(code_paths(found.root, found.load().image)):
        return None
    return "code"
