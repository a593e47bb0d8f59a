"""`theoryctl image`: the images that providers run from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from theoryctl.cli.command import ManifestsOption, NamedRef, RefOption, command, make_app
from theoryctl.cli.flags import with_flags
from theoryctl.cli.options import BaseImage, Env

if TYPE_CHECKING:
    from theoryctl.actions.images import BuildOptions

app = make_app("image", "Resolve, build, push, pin and verify images.")

WhatArgument = Annotated[str, typer.Argument(metavar="REF_OR_IMAGE", help="A provider ref, or an image reference.")]
PlatformOption = Annotated[
    str | None, typer.Option("--platform", metavar="OS/ARCH", help="Only this platform, such as linux/amd64.")
]
BuildPlatform = Annotated[
    str | None, typer.Option("--platform", metavar="OS/ARCH", help="Build for this platform. [default: Docker's own]")
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Build every step, even if nothing has changed.")]
BuildTag = Annotated[
    str | None,
    typer.Option("--tag", metavar="IMAGE", help="The name of the image. [default: the manifest's, at `local`]"),
]

To = Annotated[
    str | None,
    typer.Option(
        "--to",
        metavar="IMAGE",
        help="The target, as registry/repository:tag. [default: the manifest's repository, at `latest`]",
    ),
]
Offline = Annotated[
    bool, typer.Option("--offline", help="Show what the manifest of a provider ref pins, and ask no registry.")
]
Oci = Annotated[str | None, typer.Option("--oci", metavar="IMAGE", help="Pin this tag or digest of the repository.")]
Check = Annotated[bool, typer.Option("--check", help="Write nothing; exit 6 if a pin is stale.")]
RunningIn = Annotated[str, typer.Option("--runtime", metavar="local|modal", help="The place of the running provider.")]
Tag = Annotated[str, typer.Option("--tag", metavar="TAG", help="The tag in the registry.")]


class PushFlags(NamedTuple):
    """The flags of what pushes an image, which is built first."""

    to: To = None
    platform: BuildPlatform = None
    base_image: BaseImage = None
    manifests: ManifestsOption = None

    def built(self, ref: str) -> BuildOptions:
        """Return the options of the build. Raises BadRef."""
        from theoryctl.actions.images import BuildOptions
        from theoryctl.refs import ProviderRef

        return BuildOptions(
            ref=ProviderRef.parse(ref), manifests=self.manifests, base=self.base_image, platform=self.platform
        )


@command(
    app,
    "resolve",
    examples="""\
theoryctl image resolve ghcr.io/theoryctl/llm-litellm:1
theoryctl image resolve llm/litellm@1 --json
theoryctl image pin --ref llm/litellm@1 && theoryctl image resolve llm/litellm@1 --offline""",
)
def resolve(
    ctx: typer.Context,
    ref: WhatArgument,
    platform: PlatformOption = None,
    offline: Offline = False,
    manifests: ManifestsOption = None,
) -> None:
    """Show the digest that an image has for each platform.

    The registry is asked, or with --offline nobody; no Docker daemon is needed. With --platform it prints the image by
    its digest, as --oci and manifests take it.
    """
    from theoryctl.actions import images

    look_up = images.pinned_image if offline else images.resolve_image
    ctx.obj.emit(look_up(ref, platform, manifests))


@command(
    app,
    "build",
    examples="""\
theoryctl image build --ref llm/litellm@1
theoryctl image build --ref llm/litellm@1 --tag me/litellm:dev --json""",
)
def build(
    ctx: typer.Context,
    ref: RefOption,
    platform: BuildPlatform = None,
    no_cache: NoCache = False,
    tag: BuildTag = None,
    base_image: BaseImage = None,
    manifests: ManifestsOption = None,
) -> None:
    """Build the image of a ref from its manifest's context.

    An image that is up to date is not built again.
    """
    from theoryctl.actions import images
    from theoryctl.refs import ProviderRef

    options = images.BuildOptions(
        ref=ProviderRef.parse(ref), manifests=manifests, base=base_image, platform=platform, tag=tag, no_cache=no_cache
    )
    ctx.obj.emit(images.build_image(options, ctx.obj.progress))


@command(
    app,
    "push",
    examples="theoryctl image push --ref llm/litellm@1 --to ghcr.io/theoryctl/llm-litellm:latest",
    guesses=False,
)
@with_flags(PushFlags)
def push(ctx: typer.Context, ref: NamedRef, flags: PushFlags) -> None:
    """Push the image of a ref, and print it by its digest.

    It is built first, unless it is up to date. The credentials are those of `docker login`.
    """
    from theoryctl.actions import images

    ctx.obj.emit(images.push_image(flags.built(ref), flags.to, ctx.obj.progress))


@command(
    app,
    "publish",
    examples="theoryctl image publish --ref llm/litellm@1",
    guesses=False,
)
@with_flags(PushFlags)
def publish(ctx: typer.Context, ref: NamedRef, flags: PushFlags) -> None:
    """Push the image of a ref, and pin it in its manifest.

    It is `image push` to the manifest's repository, and then `image pin` of the digest that is there, for the platform
    that was pushed. Pins for other platforms stay.
    """
    from theoryctl.actions import images

    ctx.obj.emit(images.publish_image(flags.built(ref), flags.to, ctx.obj.progress))


@command(
    app,
    "pin",
    examples="""\
theoryctl image pin --ref llm/litellm@1
theoryctl image pin --ref llm/litellm@1 --oci ghcr.io/theoryctl/llm-litellm:1
theoryctl image pin --ref llm/litellm@1 && theoryctl image pin --ref llm/litellm@1 --check""",
    guesses=False,
)
def pin(
    ctx: typer.Context,
    ref: NamedRef,
    oci: Oci = None,
    platform: PlatformOption = None,
    check: Check = False,
    manifests: ManifestsOption = None,
) -> None:
    """Write an image's digest for each platform into a manifest.

    The digests are those of the manifest's repository at its tag `latest`, or of the tag or digest that --oci names.
    The rest of the file stays as it is.
    """
    from theoryctl.actions import images
    from theoryctl.refs import ProviderRef

    options = images.PinOptions(ref=ProviderRef.parse(ref), manifests=manifests, oci=oci, platform=platform)
    ctx.obj.emit(images.check_pins(options) if check else images.pin_image(options, ctx.obj.progress))


@command(
    app,
    "verify",
    examples="theoryctl image pin --ref llm/litellm@1 && theoryctl image verify --ref llm/litellm@1",
)
def verify(
    ctx: typer.Context,
    ref: RefOption,
    runtime: RunningIn = "local",
    env: Env = None,
    tag: Tag = "latest",
    manifests: ManifestsOption = None,
) -> None:
    """Compare the digests pinned, in the registry and running.

    The exit status is 6 if they differ, or if the manifest pins none.
    """
    from theoryctl.actions import images
    from theoryctl.refs import ProviderRef

    options = images.VerifyOptions(
        ref=ProviderRef.parse(ref), manifests=manifests, runtime=runtime, environment=env, tag=tag
    )
    ctx.obj.emit(images.verify_image(options, ctx.obj.progress))
