"""The envelope of a request whose runtime could not give one."""

from __future__ import annotations

from theoryctl_providers.contract import (
    Envelope,
    ProviderError,
    Request,
    Stopwatch,
    build_envelope,
    info_of,
    resources_of,
)


def failure_envelope(request: Request, stopwatch: Stopwatch, model: str | None, error: ProviderError) -> Envelope:
    """Make the envelope of a failure; `model` is the one that was to answer, as far as it was known."""
    config = request.config
    return build_envelope(
        error=info_of(error),
        run_id=request.run_id,
        ref=config.ref,
        mode=request.mode,
        runtime=config.runtime,
        model=model,
        stopwatch=stopwatch,
        image=config.image,
        platform=config.platform,
        attachments=[attachment.public() for attachment in request.attachments],
        secrets_present=list(config.secrets),
        resources=resources_of(request),
    )
