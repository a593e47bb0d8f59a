"""`theoryctl image`: the images that providers run from."""

from __future__ import annotations

from typing import Annotated

import typer

from theoryctl.commands.base import ManifestsOption, RefOption, command, make_app

app = make_app("image", "Resolve and build the images that providers run from.")

WhatArgument = Annotated[str, typer.Argument(metavar="REF_OR_IMAGE", help="A provider ref, or an image reference.")]
PlatformOption = Annotated[
    str | None, typer.Option("--platform", metavar="OS/ARCH", help="Only this one, such as linux/amd64.")
]
BaseImage = Annotated[
    str | None,
    typer.Option(
        "--base-image", metavar="IMAGE", help="Build on this. [env: THEORYCTL_BASE_IMAGE; default: python:3.12-slim]"
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Build even where nothing has changed.")]


@command(
    app,
    "resolve",
    examples="""\
theoryctl image resolve ghcr.io/theoryctl/llm-litellm:1
theoryctl image resolve llm/litellm@1 --json""",
)
def resolve(
    ctx: typer.Context, what: WhatArgument, platform: PlatformOption = None, manifests: ManifestsOption = None
) -> None:
    """Show the digest of each platform's own manifest, by asking the registry; no daemon is needed.

    With --platform it prints the image by that digest, for --oci and for a manifest.
    """
    from theoryctl import image_work

    ctx.obj.emit(image_work.resolve_image(what, platform, manifests))


@command(app, "build", examples="theoryctl image build --ref llm/litellm@1")
def build(
    ctx: typer.Context,
    ref: RefOption,
    base_image: BaseImage = None,
    force: Force = False,
    manifests: ManifestsOption = None,
) -> None:
    """Build the image of a ref from its manifest's context; nothing is done where it is up to date."""
    from theoryctl import image_work
    from theoryctl.refs import ProviderRef

    parsed = ProviderRef.parse(ref)
    ctx.obj.emit(image_work.build_image(parsed, manifests, base=base_image, anew=force, progress=ctx.obj))
