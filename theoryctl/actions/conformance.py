"""A manifest's provider, held against the rules for providers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from theoryctl.manifests.catalog import Catalog
from theoryctl.manifests.code import code_paths
from theoryctl.refs import ProviderRef
from theoryctl.requests.mock_flags import MockFlags
from theoryctl.results.manifests import ConformanceTested
from theoryctl.runtimes.config import provider_config
from theoryctl.runtimes.find import EMBEDDED
from theoryctl.secrets import leave_instance


def check_conformance(ref: ProviderRef, folder: str | None, env_file: str | None) -> ConformanceTested:
    """Make every check of a manifest's provider with its example inputs.

    Real mode is checked, and paid for, only where an env file says with which keys. Raises RefNotFound, BadManifest,
    and UsageError for an env file that cannot be read.
    """
    found = Catalog(folder).find(ref)
    manifest = found.load()
    asks_real = env_file is not None
    config = provider_config(
        manifest, runtime=EMBEDDED, mode="mock", mocks=MockFlags(), env_file=env_file, with_secrets=asks_real
    )
    leave_instance()
    with _importable(code_paths(found.root, manifest.image)):
        from theoryctl_providers.conformance import check_provider

        vendor = config.secrets if asks_real else None
        return ConformanceTested(str(ref), check_provider(config, manifest.example, vendor=vendor), asks_real)


@contextmanager
def _importable(code: tuple[str, ...]) -> Iterator[None]:
    """The folders of a provider's code on the path of imports."""
    before = list(sys.path)
    sys.path[:0] = code
    try:
        yield
    finally:
        sys.path[:] = before
