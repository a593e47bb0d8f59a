"""Building a provider's image from its context, without any network."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from theoryctl.docker.creation import created_id
from theoryctl.docker.daemon import explained, found
from theoryctl.docker.images import inspect, must_inspect
from theoryctl.docker.progress_lines import Told
from theoryctl.errors import BuildFailed, DockerFailed
from theoryctl.images.choice import BuildPlan
from theoryctl.images.context import DOCKERFILE, BuildContext
from theoryctl.images.pull import fetch, fits, must_fit
from theoryctl.images.unfinished import Steps, removed_unless_finished
from theoryctl.images.wheelhouse import PROBE, Target, wheel_of, wheelhouse
from theoryctl.paths import cache_dir, file_lock, write_hint, write_private
from theoryctl.progress import Progress
from theoryctl_providers.contract import canonical, read_regular, sha256, shaped

CONTEXT_LABEL = "dev.theoryctl.context"
BASE_LABEL = "dev.theoryctl.base"

_OTHER_BASE = "name another --base-image, one with Python and pip"

#: Lines of a failed build's output that its error repeats.
_LAST_LINES = 12

#: Bytes of a base image's answer about its Python that are read, and characters of it that an error shows.
_MAX_PROBE, _MAX_WORDS = 1 << 20, 2000


def build(api: Any, plan: BuildPlan, progress: Progress, *, no_cache: bool = False) -> tuple[str, bool]:
    """The ID of the image that a plan describes, and whether it was built now rather than found; with `no_cache` every
    step of it anew.

    Raises BuildFailed (`ERR_BUILD`), also where the cache cannot be written, and what fetching its base raises.
    """
    try:
        return _found_or_built(api, plan, progress, no_cache)
    except OSError as error:
        if error.errno is None:  # a failure of requests, which the connection explains
            raise
        where = error.filename or cache_dir()
        hint = write_hint(error, "THEORYCTL_CACHE_DIR")
        raise BuildFailed(f"building {plan.tag}: {where}: {error.strerror}", hint=hint) from error


def _found_or_built(api: Any, plan: BuildPlan, progress: Progress, no_cache: bool) -> tuple[str, bool]:
    base = _base_id(api, plan, progress)
    labels = {CONTEXT_LABEL: plan.context.digest, BASE_LABEL: base}
    # What was built is written down, for labels do not tell: images built on it have them too.
    record = _work_folder(plan).with_suffix(".built")
    with _alone(plan):
        known = _built(api, record, labels)
        if known is None or plan.forced or no_cache:
            built = _build(api, plan, base, progress, labels=labels, nocache=no_cache)
            write_private(record, built.encode())
            return built, True
        api.tag(known, *plan.tag.rsplit(":", 1))
        return known, False


def _base_id(api: Any, plan: BuildPlan, progress: Progress) -> str:
    """The ID of the image to build on, pulled where it is not here, or is here for another platform."""
    image = inspect(api, plan.base)
    if image is None or not fits(image, plan.platform):
        progress.step(f"pulling {plan.base} for {plan.platform}, to build on")
        fetch(api, plan.base, plan.platform, progress)
        image = must_inspect(api, plan.base)
    must_fit(plan.base, image, plan.platform, hint=f"name a --base-image that is there for {plan.platform}")
    return image.id


def _built(api: Any, record: Path, labels: dict[str, str]) -> str | None:
    """The ID of the image that was built of this context on this base, if it is still here."""
    try:
        known = read_regular(record, 200).decode()
    except (OSError, ValueError):
        return None
    image = inspect(api, known)
    return image.id if image and labels.items() <= image.labels.items() else None


def _build(api: Any, plan: BuildPlan, base: str, progress: Progress, **options: Any) -> str:
    from tempfile import TemporaryFile

    wheels: Path | None = None
    if plan.context.lock is not None:
        wheels = wheelhouse(plan.context.lock, _probe(api, plan, base), progress)
    progress.step(f"building {plan.tag} on {plan.base}")
    with TemporaryFile() as tar:
        _pack(tar, plan.context, wheels, _work_folder(plan).with_suffix(".packages"))
        tar.seek(0)
        with explained(lambda words: _refused(words, plan)):
            stream = api.build(
                fileobj=tar, custom_context=True, tag=plan.tag, network_mode="none", rm=True, forcerm=True,
                decode=True, buildargs={"BASE_IMAGE": plan.base}, platform=plan.platform, **options,
            )  # fmt: skip
            with removed_unless_finished(api, _work_folder(plan).with_suffix(".steps")) as steps, closing(stream):
                built = _follow(stream, plan, progress, steps)
    return built or must_inspect(api, plan.tag).id


def _follow(stream: Iterable[Told], plan: BuildPlan, progress: Progress, steps: Steps) -> str | None:
    """Tell the steps of a build, and return the ID of its image if the daemon says it: the tag may be another build's
    by now. Raises BuildFailed with its last lines."""
    lines: list[str] = []
    built: str | None = None
    for told in stream:
        built = told.image_id or built
        if told.error is not None:
            raise BuildFailed(
                f"building {plan.tag} failed: {told.error}" + "".join(f"\n  {line}" for line in lines),
                hint="fix that, and run the command again",
            )
        for line in told.output.splitlines():
            if line.strip():
                steps.read(line.strip())
                lines = [*lines, line.strip()][-_LAST_LINES:]
                progress.detail(f"building {plan.tag}: {line.strip()}")
    return built


def _refused(words: str, plan: BuildPlan) -> BuildFailed:
    of_file = "dockerfile" in words.lower()
    hint = f"fix {plan.context.files[DOCKERFILE]}" if of_file else "docker info"
    return BuildFailed(f"Docker refused the build: {words}", hint=hint)


def _probe(api: Any, plan: BuildPlan, base_id: str) -> Target:
    """Ask the base image's Python what wheels it takes. Raises BuildFailed where it has none, or one for machines that
    this one cannot run."""
    # Docker itself removes the container, whatever becomes of this command.
    created = api.create_container(
        base_id, ["python3", "-c", PROBE], entrypoint=[], network_disabled=True,
        host_config=api.create_host_config(network_mode="none", auto_remove=True),
    )  # fmt: skip
    container = created_id(api, created)
    try:
        output = api.attach(container, stream=True)
        with explained(lambda words: BuildFailed(f"{plan.base} runs no python3: {words}", hint=_OTHER_BASE)):
            api.start(container)
        said = _beginning(output).decode(errors="replace")
    finally:
        with suppress(DockerFailed), explained(DockerFailed):  # it is removed already, or about to be
            found(api.remove_container, container, force=True)
    try:
        target: Target = shaped(Target, json.loads(said.splitlines()[-1]))
        return target
    except (ValueError, IndexError, RecursionError):
        hint = (
            f"set up QEMU for {plan.platform} on this machine (binfmt_misc)" if "exec format" in said else _OTHER_BASE
        )
        raise BuildFailed(f"the python3 of {plan.base} failed: {said.strip()[-_MAX_WORDS:]}", hint=hint) from None


def _beginning(pieces: Iterable[bytes]) -> bytes:
    said = bytearray()
    for piece in pieces:
        said += piece
        if len(said) > _MAX_PROBE:
            break
    return bytes(said)


def _pack(tar: Any, context: BuildContext, wheels: Path | None, folder: Path) -> None:
    """Write the context as a tar archive: its files, `wheelhouse/` and `packages/`, those made in `folder`."""
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for name, path in context.files.items():
            _add(archive, name, path)
        for name in ("wheelhouse", "packages"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for wheel in sorted(wheels.glob("*.whl")) if wheels else ():
            _add(archive, f"wheelhouse/{wheel.name}", wheel)
        for number, package in enumerate(context.packages):
            wheel = wheel_of(package, folder / str(number))
            _add(archive, f"packages/{wheel.name}", wheel)
    shutil.rmtree(folder, ignore_errors=True)


def _add(archive: tarfile.TarFile, name: str, path: Path) -> None:
    # Neither times nor owners: the daemon's cache goes by them.
    entry = tarfile.TarInfo(name)
    entry.size = path.stat().st_size
    entry.mode = 0o755 if path.stat().st_mode & 0o100 and name != DOCKERFILE else 0o644
    with path.open("rb") as file:
        archive.addfile(entry, file)


def _alone(plan: BuildPlan) -> Any:
    """One build of a context at a time: another would only do the same work."""
    return file_lock(_work_folder(plan).with_suffix(".lock"))


def _work_folder(plan: BuildPlan) -> Path:
    what = sha256(canonical([plan.context.digest, plan.base, plan.platform]))
    return cache_dir() / "builds" / what.removeprefix("sha256:")[:16]
