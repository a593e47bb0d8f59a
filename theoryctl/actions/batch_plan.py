"""A batch before its first call: options, and the plan that is made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from theoryctl.actions.asked import check_place, config_of, mode_of, model_of, timeout_of
from theoryctl.actions.targets import Target
from theoryctl.batch.answers import Finished
from theoryctl.batch.formats import FORMATS
from theoryctl.batch.money import Budget
from theoryctl.batch.output import OutputFile
from theoryctl.batch.plan import Plan, Planner
from theoryctl.batch.requests import RequestMaker, check_elsewhere, check_here
from theoryctl.batch.resume import Earlier
from theoryctl.batch.rows import RowFormat
from theoryctl.batch.source import Source, open_source
from theoryctl.batch.tally import Tally
from theoryctl.batch.vendors.desk import batched
from theoryctl.errors import UsageError
from theoryctl.hints import again
from theoryctl.manifests.catalog import Catalog, Found
from theoryctl.manifests.code import code_paths
from theoryctl.refs import ProviderRef
from theoryctl.requests.input_options import parse_options
from theoryctl.requests.mock_flags import MockFlags
from theoryctl.requests.standard_input import NAMES, StandardInput
from theoryctl.runtimes.embedded import make_importable
from theoryctl.runtimes.find import EMBEDDED
from theoryctl.settings import Settings
from theoryctl_providers.contract import Mode, Request, is_mock

if TYPE_CHECKING:
    from theoryctl.manifests.model import Manifest
    from theoryctl_providers.contract import ProviderConfig


@dataclass(frozen=True, slots=True)
class Allowed:
    """The failures that do not make a batch fail: a number of lines, or a share of them."""

    number: float
    is_share: bool = False

    def of(self, lines: int) -> float:
        """Return the number of lines that may fail."""
        return self.number * lines if self.is_share else self.number


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOptions:
    """Options of a batch. `source` and `out` are paths, or `-`; without `out` nothing can be asked.

    `timeout` is in seconds, `max_attachment` in bytes, `max_cost` in US dollars; `rpm` and `tpm` are calls and tokens
    per minute. With `detach` the lines are sent, and nothing is waited for. `vendor_batch` leaves them to the vendor's
    own batches. `report` is the path of a page about the rows.
    """

    ref: ProviderRef
    source: str
    out: str | None
    max_attachment: int
    model: str | None = None
    options: tuple[str, ...] = ()
    mode: str | None = None
    form: str = "theoryctl"
    ordered: bool = False
    dedupe: bool = True
    skip_invalid: bool = False
    retry_failed: bool = False
    concurrency: int = 16
    rpm: float | None = None
    tpm: float | None = None
    max_cost: float | None = None
    allow_unknown_price: bool = False
    allow_failures: Allowed = Allowed(0.0)
    timeout: float | None = None
    env_file: str | None = None
    manifests: str | None = None
    detach: bool = False
    vendor_batch: bool = False
    report: str | None = None
    mocks: MockFlags = field(default_factory=MockFlags)
    standard_input: StandardInput = field(default_factory=StandardInput)

    @property
    def is_streamed(self) -> bool:
        """Tell whether the rows go to standard output."""
        return self.out in (*NAMES, "/dev/stdout")


#: Hears of each group of lines that got an answer.
Results = Callable[[Sequence[Finished]], None]


@dataclass(frozen=True, slots=True)
class Listener:
    """Functions that hear of a batch: lines for people, the tally, and the rows that go to standard output.

    `results` is called with each group of lines that got an answer. `budgets` count for each real call, beside the
    batch's own.
    """

    tell: Callable[[str], None]
    watch: Callable[[Tally], None]
    write: Callable[[bytes], None]
    results: Results | None = None
    budgets: tuple[Budget, ...] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """The place, the mode and the files of a batch. `file` is None where rows go to standard output."""

    found: Found
    mode: Mode
    maker: RequestMaker
    source: Source
    form: RowFormat
    file: OutputFile | None

    @property
    def earlier(self) -> Earlier:
        """The rows that are there."""
        return Earlier() if self.file is None else self.file.earlier


#: Looks at a request that is to be asked, before the first call.
Look = Callable[[int, Request], None]


def setting_of(options: BatchOptions, target: Target, opened: ExitStack, *, asks: bool = True) -> Setting:
    """Find and open everything that a batch needs; `opened` closes it. Unless it `asks`, no secret is read.

    Raises TheoryctlError.
    """
    settings, found = Settings(), Catalog(options.manifests).find(options.ref)
    mode = mode_of(options, target, settings) if asks else "real"
    check_place(options, target, found.load(), mode)
    if asks and not (is_mock(mode) or target.takes_real):  # it would refuse each line
        message = f"--mode {mode}: the {target.runtime} instance of {options.ref} was started to serve mocks only"
        raise UsageError(message, hint=again("ask from here", runtime=EMBEDDED, name=None))
    if options.form not in FORMATS:
        raise UsageError(
            f"--format: expected {' or '.join(FORMATS)}, got {options.form!r:.100}",
            hint=again("use one of them", form=lower if (lower := options.form.lower()) in FORMATS else None),
        )
    source = opened.enter_context(open_source(options.source, options.standard_input))
    config = config_of(options, target, found.load(), mode, asks=asks)
    maker = _maker(options, settings, found.load(), config, source)
    form = FORMATS[options.form]()
    return Setting(found, mode, maker, source, form, _file(options, form, source, opened))


def plan_of(setting: Setting, options: BatchOptions, target: Target, look: Look | None, *, asks: bool = True) -> Plan:
    """Read and check all lines. `look` is called with each request that is to be asked. Raises TheoryctlError."""
    is_here = target.runtime == EMBEDDED
    if is_here:
        make_importable(code_paths(setting.found.root, setting.found.load().image))
    check = (check_here if asks and is_here else check_elsewhere)(setting.maker.config)
    if options.vendor_batch:
        check = batched(check, setting.maker.config.default_model)
    planner = Planner(
        plan=Plan(setting.source, setting.maker, options.dedupe),
        check=check,
        earlier=setting.earlier,
        skips=options.skip_invalid,
        look=look,
    )
    return planner.made()


def _maker(
    options: BatchOptions, settings: Settings, manifest: Manifest, config: ProviderConfig, source: Source
) -> RequestMaker:
    given = parse_options(options.options, manifest.inputs)
    if options.model is not None:
        given["model"] = options.model
    return RequestMaker(
        config=config,
        mode=config.mode,
        folder=source.folder,
        max_attachment=options.max_attachment,
        given=given,
        example=manifest.example,
        model=model_of(settings, manifest),
        timeout=timeout_of(options, settings),
        overrides=options.mode is not None,
    )


def _file(options: BatchOptions, form: RowFormat, source: Source, opened: ExitStack) -> OutputFile | None:
    """The file of rows, with what is in it; None where they go to standard output. Raises UsageError."""
    if options.out is None or options.is_streamed:
        return None
    file = opened.enter_context(OutputFile(options.out, form))
    if file.identity == source.identity:
        message = f"{options.out} holds the lines, and the rows would be written into it"
        raise UsageError(message, hint=again("give another file with --out", out=f"{options.out}.out"))
    if options.retry_failed:
        file.retry_failed()
    return file
