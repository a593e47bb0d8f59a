"""The model of a manifest: everything that a ref means.

These are plain frozen dataclasses, so that a run that reads a validated manifest from the cache never imports pydantic.
Pydantic validates against the very same classes (`check.py`) and makes the JSON Schema from them; attribute
docstrings are the descriptions in that schema.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from theoryctl.platforms import same_platform
from theoryctl.refs import PATTERN
from theoryctl_providers.contract import STRICT, Must, SecretRule, Text, document_of

#: A name of a provider, or the path of its class.
PROVIDER = r"^[A-Za-z0-9_.-]+(:[A-Za-z_][A-Za-z0-9_]*)?$"

#: A manifest is a page of text; anything far larger is a mistake or an attack.
MAX_BYTES = 1 << 20

#: As `ONE_LINE`, with newlines.
PARAGRAPH = r"^[^\x00-\x09\x0b-\x1f\x7f-\x9f]*$"

#: A region, as modal.com/docs/guide/region-selection writes them: broad (`us`) or narrow (`us-west`). Modal says which.
REGION = "^[a-z][a-z0-9-]{0,62}$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """Models of the provider."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    default: Text
    """The model used when the inputs name none, with its vendor: `openai/gpt-4o-mini`."""
    known: tuple[Text, ...] = ()
    """Models to suggest; others may be used too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """The local build of the image."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    context: Text
    """The folder with the Dockerfile, relative to the folder that holds the manifests folder. If there is no folder
    `providers`, that name means the context that theoryctl brings along."""
    packages: tuple[Text, ...] = ()
    """Wheels, or folders of Python projects, to install in the image as well, without their dependencies. This is how a
    provider of your own gets into the image. Paths are relative to the same folder as the context."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """The OCI image that holds the provider."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    repository: Text
    """Registry and path without tag or digest: `ghcr.io/me/llm-litellm`."""
    digests: dict[
        Annotated[str, Must({"pattern": "^[a-z0-9]+/[a-z0-9]+(/v[0-9]+)?$"})],
        Annotated[str, Must({"pattern": "^sha256:[0-9a-f]{64}$"})],
    ] = field(default_factory=dict)
    """The pinned digest of each platform's own manifest: `linux/amd64: sha256:…`."""
    build: Build | None = None
    """The local build, used if no digest is pinned."""

    def pin(self, platform: str) -> str | None:
        """The digest that is pinned for a platform."""
        return next((digest for name, digest in self.digests.items() if same_platform(name, platform)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Limits of one instance."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    cpu: Annotated[float, Must({"gt": 0, "le": 64})] = 1.0
    """Processor cores."""
    memory: Annotated[int, Must({"ge": 64, "le": 1048576})] = 512
    """Memory in MiB."""
    pids: Annotated[int, Must({"ge": 16, "le": 65536})] = 256
    """The largest number of processes and threads."""
    timeout: Annotated[int, Must({"ge": 1, "le": 86400})] = 120
    """Seconds for one request."""
    gpu: Text | None = None
    """Modal's name of a GPU, with `:` and a number for more than one: `T4`, `A100-80GB:2`."""
    max_containers: Annotated[int, Must({"ge": 1, "le": 1000})] = 4
    """The largest number of containers that Modal runs at the same time. It starts them when requests come."""
    min_containers: Annotated[int, Must({"ge": 0, "le": 1000})] = 0
    """Containers for real requests that Modal keeps running. They are paid for all day."""
    buffer_containers: Annotated[int, Must({"ge": 0, "le": 1000})] = 0
    """Idle containers for real requests that Modal adds while others are at work."""
    # The limits are those of `modal/_functions.py` (`_Function.from_local`) in modal 1.6.4.
    scaledown_window: Annotated[int, Must({"ge": 2, "le": 3600})] | None = None
    """Seconds that a container on Modal may be idle before it ends; Modal's own default if unset."""
    region: Annotated[str, Must({"pattern": REGION})] | None = None
    """Modal's region of the containers, for a higher price: `us`, `eu-west`; anywhere if unset."""
    nonpreemptible: bool = False
    """True keeps Modal from moving a container to another machine, for a higher price."""
    concurrency: Annotated[int, Must({"ge": 1, "le": 1000})] = 16
    """The largest number of requests that one container on Modal has at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The meaning of a provider ref such as `llm/litellm@1`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    ref: Annotated[str, Must({"pattern": PATTERN})]
    """namespace/name@version; the file is `namespace/name@version.yaml` below a manifests folder."""
    title: Text
    """One line, shown in lists."""
    description: Annotated[str, Must({"pattern": PARAGRAPH})] = ""
    """A paragraph, shown to people."""
    provider: Annotated[str, Must({"pattern": PROVIDER})]
    """A built-in provider (`mock`, `litellm`), an entry point of `theoryctl.providers`, or `package.module:Class`."""
    models: Models
    """Models of the provider."""
    secrets: tuple[SecretRule, ...] = ()
    """The environment variables that it reads in real mode."""
    inputs: dict[str, Any]
    """JSON Schema (draft 2020-12) of the inputs."""
    example: dict[str, Any]
    """The inputs of a mock run that is given none; they must fit the schema."""
    outputs: dict[str, Any] | None = None
    """JSON Schema (draft 2020-12) of the outputs: an object with the value of each output by its name, such as `answer`
    or `tool_calls`, in base64 if it is binary. An answer that does not fit is `ERR_BAD_RESPONSE`, or `ERR_PROVIDER` if
    the provider's own mock made it. Without this schema, outputs are not checked."""
    image: Image | None = None
    """The image that runs in Docker and on Modal."""
    resources: Resources = field(default_factory=Resources)
    """The limits of one instance."""

    def pin(self, platform: str) -> str | None:
        """The digest that its image is pinned to for a platform; None without an image or a pin."""
        return self.image.pin(platform) if self.image else None

    def document(self) -> dict[str, Any]:
        """The manifest as JSON, defaults filled in; what has none is left out."""
        return document_of(self)
