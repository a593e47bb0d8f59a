"""A manifest's provider, held against the rules for providers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from theoryctl.images.context import code_paths
from theoryctl.manifests.catalog import Catalog
from theoryctl.manifests.model import Manifest
from theoryctl.refs import ProviderRef
from theoryctl.results.manifests import ConformanceTested
from theoryctl.secrets import read_secrets
from theoryctl_providers.contract import ProviderConfig


def check_conformance(ref: ProviderRef, folder: str | None, env_file: str | None) -> ConformanceTested:
    """Make every check of a manifest's provider with its example inputs.

    Real mode is checked, and paid for, only where an env file says with which keys. Raises RefNotFound, BadManifest,
    and UsageError for an env file that cannot be read.
    """
    found = Catalog(folder).find(ref)
    manifest = found.load()
    names = [secret.name for secret in manifest.secrets]
    vendor = None if env_file is None else read_secrets(names, env_file)
    with _importable(code_paths(found.root, manifest.image)):
        from theoryctl_providers.conformance import check_provider

        return ConformanceTested(str(ref), check_provider(_config(manifest), manifest.example, vendor=vendor))


def _config(manifest: Manifest) -> ProviderConfig:
    return ProviderConfig(
        provider=manifest.provider,
        ref=manifest.ref,
        default_model=manifest.models.default,
        input_schema=manifest.inputs,
        secret_rules=manifest.secret_rules,
    )


@contextmanager
def _importable(code: tuple[str, ...]) -> Iterator[None]:
    """The folders of a provider's code on the path of imports."""
    before = list(sys.path)
    sys.path[:0] = code
    try:
        yield
    finally:
        sys.path[:] = before
