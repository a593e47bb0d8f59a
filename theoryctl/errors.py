"""Errors of the host side. Exit statuses and retryability are in the contract's one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from theoryctl_providers.contract import ERRORS, ProviderError

if TYPE_CHECKING:
    from theoryctl_providers.contract import ErrorInfo


class TheoryctlError(ProviderError):
    """A failure a person can act on: `message` says what failed and why, `hint` what to type next."""

    error_code: ClassVar[str] = "ERR_INTERNAL"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(self.error_code, message, hint=hint)


class UsageError(TheoryctlError):
    error_code = "ERR_USAGE"


class BadRef(TheoryctlError):
    error_code = "ERR_REF"


class RefNotFound(TheoryctlError):
    error_code = "ERR_REF_NOT_FOUND"


class BadManifest(TheoryctlError):
    error_code = "ERR_MANIFEST"


class BadInputs(TheoryctlError):
    error_code = "ERR_INPUTS"


class BadAttachment(TheoryctlError):
    error_code = "ERR_ATTACHMENT"


class BadScript(TheoryctlError):
    error_code = "ERR_SCRIPT"


class NotRunning(TheoryctlError):
    error_code = "ERR_NOT_RUNNING"


class StartFailed(TheoryctlError):
    error_code = "ERR_START"


class DockerFailed(TheoryctlError):
    error_code = "ERR_DOCKER"


class RegistryFailed(TheoryctlError):
    error_code = "ERR_REGISTRY"


class RegistryAuth(TheoryctlError):
    error_code = "ERR_REGISTRY_AUTH"


class ImageNotFound(TheoryctlError):
    error_code = "ERR_IMAGE_NOT_FOUND"


class BuildFailed(TheoryctlError):
    error_code = "ERR_BUILD"


class NotPinned(TheoryctlError):
    error_code = "ERR_NOT_PINNED"


class BadPlatform(TheoryctlError):
    error_code = "ERR_PLATFORM"


class DigestDrift(TheoryctlError):
    error_code = "ERR_DIGEST_DRIFT"


class VerificationFailed(TheoryctlError):
    error_code = "ERR_VERIFICATION"


class ModalAuth(TheoryctlError):
    error_code = "ERR_MODAL_AUTH"


class ModalUnavailable(TheoryctlError):
    error_code = "ERR_MODAL_UNAVAILABLE"


class NoEnvironment(TheoryctlError):
    error_code = "ERR_MODAL_ENVIRONMENT"


class ModalRefused(TheoryctlError):
    error_code = "ERR_MODAL"


class NotDeployed(TheoryctlError):
    error_code = "ERR_FUNCTION_NOT_FOUND"


class MissingSecret(TheoryctlError):
    error_code = "ERR_MISSING_SECRET"


class OutputFailed(TheoryctlError):
    error_code = "ERR_OUTPUT"


class LedgerFailed(TheoryctlError):
    error_code = "ERR_LEDGER"


class LedgerFull(LedgerFailed):
    """A ledger that has no room on its disk."""


class MaxCost(TheoryctlError):
    error_code = "ERR_MAX_COST"


class StoppedEarly(ProviderError):
    """A batch was stopped because its vendor fails, with the code of that failure."""


class MissingPackage(TheoryctlError):
    """A package that the command needs is not installed: one of an extra, such as LiteLLM of `theoryctl[real]`."""

    error_code = "ERR_PROVIDER"

    def __init__(self, package: str, message: str | None = None) -> None:
        from theoryctl_providers.contract import install_command

        message = message or f"this needs the package {package}, which is not installed here"
        super().__init__(message, hint=install_command(package))


class UnfitPackage(TheoryctlError):
    """A package is installed in a version that does not do; `oldest` is the first one that does."""

    error_code = "ERR_PROVIDER"

    def __init__(self, package: str, fault: str, *, oldest: str | None = None) -> None:
        from theoryctl_providers.contract import install_command

        super().__init__(f"the package {package}: {fault}", hint=install_command(package, oldest))


class Interrupted(TheoryctlError):
    error_code = "ERR_INTERRUPTED"


class InternalError(TheoryctlError):
    error_code = "ERR_INTERNAL"


def exit_status(error: ErrorInfo | None) -> int:
    """The process's exit status for an error object; 0 for none."""
    return 0 if error is None else ERRORS[error["code"]].exit_status


def error_document(error: ProviderError) -> dict[str, object]:
    """The document that a failed command other than `run` prints with `--json`."""
    from theoryctl_providers.contract import ERROR_SCHEMA, info_of

    return {"schema": ERROR_SCHEMA, "status": "error", "error": info_of(error)}
