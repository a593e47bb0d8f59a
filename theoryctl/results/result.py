"""The result that each command's work returns; the terminal alone shows it."""

from __future__ import annotations

from theoryctl.images.resolve import ImageResolved
from theoryctl.results.images import ImageBuilt, ImagePinned, ImagePushed, ImageVerified
from theoryctl.results.instances import EnvShown, InstancesShown, RecordingsWritten, Started, Stopped, UrlShown
from theoryctl.results.manifests import (
    ManifestCreated,
    ManifestExported,
    ManifestList,
    ManifestShown,
    ManifestsValid,
    SchemaShown,
)
from theoryctl.results.modal import Deployed, DeploymentsShown, SecretsSynced, Undeployed
from theoryctl.results.run import RunResult

Result = (
    RunResult
    | ManifestList
    | ManifestShown
    | ManifestsValid
    | SchemaShown
    | Started
    | Stopped
    | RecordingsWritten
    | InstancesShown
    | UrlShown
    | EnvShown
    | ImageResolved
    | ImageBuilt
    | ImagePushed
    | ImagePinned
    | ImageVerified
    | ManifestExported
    | ManifestCreated
    | Deployed
    | DeploymentsShown
    | Undeployed
    | SecretsSynced
)
