"""The contract between theoryctl, its runtimes and its providers: the ground floor, standard library only.

Everything that must mean the same on the user's machine and inside an image is named here, whatever file it lies in.
The host imports this module and nothing else of the package.
"""

from theoryctl_providers.calls import (
    MODES,
    Attachment,
    Delta,
    Event,
    Finish,
    Log,
    Output,
    ProviderConfig,
    Request,
    Result,
    SecretRule,
    Started,
    ToolCallDelta,
    Usage,
    is_mock,
    resolve_mode,
)
from theoryctl_providers.documents import (
    ENVELOPE_SCHEMA,
    ERROR_SCHEMA,
    VERSION,
    AttachmentDocument,
    Envelope,
    ErrorInfo,
    Mode,
    OutputDocument,
    Stopwatch,
    UsageDocument,
    build_envelope,
    new_run_id,
)
from theoryctl_providers.errors import ERRORS, ErrorSpec, FaultKind, ProviderError, ScriptedFailure
from theoryctl_providers.files import replace_file
from theoryctl_providers.jsontext import MAX_DEPTH, canonical, dumps, loads, sha256
from theoryctl_providers.must import STRICT, Must
from theoryctl_providers.recordings import Recording, Recordings, Tape, read_recordings, write_recordings
from theoryctl_providers.script import Script, ScriptDocument
from theoryctl_providers.wire import Limits, ServerConfig, decode_event, encode_event

__all__ = [
    "ENVELOPE_SCHEMA",
    "ERRORS",
    "ERROR_SCHEMA",
    "MAX_DEPTH",
    "MODES",
    "STRICT",
    "VERSION",
    "Attachment",
    "AttachmentDocument",
    "Delta",
    "Envelope",
    "ErrorInfo",
    "ErrorSpec",
    "Event",
    "FaultKind",
    "Finish",
    "Limits",
    "Log",
    "Mode",
    "Must",
    "Output",
    "OutputDocument",
    "ProviderConfig",
    "ProviderError",
    "Recording",
    "Recordings",
    "Request",
    "Result",
    "Script",
    "ScriptDocument",
    "ScriptedFailure",
    "SecretRule",
    "ServerConfig",
    "Started",
    "Stopwatch",
    "Tape",
    "ToolCallDelta",
    "Usage",
    "UsageDocument",
    "build_envelope",
    "canonical",
    "decode_event",
    "dumps",
    "encode_event",
    "is_mock",
    "loads",
    "new_run_id",
    "read_recordings",
    "replace_file",
    "resolve_mode",
    "sha256",
    "write_recordings",
]
