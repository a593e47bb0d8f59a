"""The contract between theoryctl, its runtimes and its providers: the ground floor, standard library only.

Everything that must mean the same on the user's machine and inside an image is named here, whatever file it lies in.
Most of the host needs this module and nothing else of the package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from theoryctl_providers.contract.answer import Event, Result
    from theoryctl_providers.contract.calls import (
        LIMITS_VARIABLE,
        MODE_VARIABLE,
        MODES,
        SERVES_VARIABLE,
        TOKEN_VARIABLE,
        Attachment,
        ProviderConfig,
        Request,
        ResolvedRequest,
        is_mock,
        limits_told,
        resolve_mode,
        resources_of,
        served_modes,
        stated_mode,
        told_limits,
    )
    from theoryctl_providers.contract.constraints import ONE_LINE, STRICT, Line, Must, Text
    from theoryctl_providers.contract.envelope import (
        ERROR_SCHEMA,
        VERSION,
        AttachmentDocument,
        Envelope,
        ErrorInfo,
        Mode,
        OutputDocument,
        ResourcesDocument,
        Stopwatch,
        UsageDocument,
        VendorDocument,
        build_envelope,
        document_of,
        info_of,
    )
    from theoryctl_providers.contract.errors import (
        ERRORS,
        ProviderError,
        Remedy,
        ScriptedFailure,
        as_schema_says,
        corrected,
        inputs_of,
        slips_of,
    )
    from theoryctl_providers.contract.events import (
        Annotation,
        Delta,
        Finish,
        Log,
        Operation,
        Output,
        Started,
        ToolCallDelta,
        Usage,
        VendorInfo,
    )
    from theoryctl_providers.contract.files import open_regular, read_regular, replace_file
    from theoryctl_providers.contract.from_json import shaped
    from theoryctl_providers.contract.json_text import MAX_DEPTH, canonical, dumps, loads, sha256
    from theoryctl_providers.contract.packages import install_command
    from theoryctl_providers.contract.proof import healthz_proof
    from theoryctl_providers.contract.recordings import Recording, Recordings, Tape, write_recordings
    from theoryctl_providers.contract.script import Script
    from theoryctl_providers.contract.script_document import ScriptDocument
    from theoryctl_providers.contract.secret_rules import (
        TOKEN_PREFIX,
        SecretRule,
        holding_tokens,
        is_address,
        is_secret,
        key_in_words,
        leads_to_instance,
        missing_rules,
        secret_names,
        settled,
        without_instances,
    )
    from theoryctl_providers.contract.wire import (
        ANSWER_WHOLE,
        AS_IT_COMES,
        Limits,
        ServerConfig,
        decode_event,
        dump_config,
        encode_event,
        load_config,
        read_events,
    )

__all__ = [
    "ANSWER_WHOLE",
    "AS_IT_COMES",
    "ERRORS",
    "ERROR_SCHEMA",
    "LIMITS_VARIABLE",
    "MAX_DEPTH",
    "MODES",
    "MODE_VARIABLE",
    "ONE_LINE",
    "SERVES_VARIABLE",
    "STRICT",
    "TOKEN_PREFIX",
    "TOKEN_VARIABLE",
    "VERSION",
    "Annotation",
    "Attachment",
    "AttachmentDocument",
    "Delta",
    "Envelope",
    "ErrorInfo",
    "Event",
    "Finish",
    "Limits",
    "Line",
    "Log",
    "Mode",
    "Must",
    "Operation",
    "Output",
    "OutputDocument",
    "ProviderConfig",
    "ProviderError",
    "Recording",
    "Recordings",
    "Remedy",
    "Request",
    "ResolvedRequest",
    "ResourcesDocument",
    "Result",
    "Script",
    "ScriptDocument",
    "ScriptedFailure",
    "SecretRule",
    "ServerConfig",
    "Started",
    "Stopwatch",
    "Tape",
    "Text",
    "ToolCallDelta",
    "Usage",
    "UsageDocument",
    "VendorDocument",
    "VendorInfo",
    "as_schema_says",
    "build_envelope",
    "canonical",
    "corrected",
    "decode_event",
    "document_of",
    "dump_config",
    "dumps",
    "encode_event",
    "healthz_proof",
    "holding_tokens",
    "info_of",
    "inputs_of",
    "install_command",
    "is_address",
    "is_mock",
    "is_secret",
    "key_in_words",
    "leads_to_instance",
    "limits_told",
    "load_config",
    "loads",
    "missing_rules",
    "open_regular",
    "read_events",
    "read_regular",
    "replace_file",
    "resolve_mode",
    "resources_of",
    "secret_names",
    "served_modes",
    "settled",
    "sha256",
    "shaped",
    "slips_of",
    "stated_mode",
    "told_limits",
    "without_instances",
    "write_recordings",
]

#: The modules of the names. A command loads those whose names it uses: all of them are a tenth of its start.
_MODULES = {
    "answer": "Event Result",
    "calls": (
        "LIMITS_VARIABLE MODE_VARIABLE MODES SERVES_VARIABLE TOKEN_VARIABLE Attachment ProviderConfig Request "
        "ResolvedRequest is_mock limits_told resolve_mode resources_of served_modes stated_mode told_limits"
    ),
    "constraints": "ONE_LINE STRICT Line Must Text",
    "envelope": (
        "ERROR_SCHEMA VERSION AttachmentDocument Envelope ErrorInfo Mode OutputDocument ResourcesDocument "
        "Stopwatch UsageDocument VendorDocument build_envelope document_of info_of"
    ),
    "errors": "ERRORS ProviderError Remedy ScriptedFailure as_schema_says corrected inputs_of slips_of",
    "events": "Annotation Delta Finish Log Operation Output Started ToolCallDelta Usage VendorInfo",
    "files": "open_regular read_regular replace_file",
    "from_json": "shaped",
    "json_text": "MAX_DEPTH canonical dumps loads sha256",
    "packages": "install_command",
    "proof": "healthz_proof",
    "recordings": "Recording Recordings Tape write_recordings",
    "script": "Script",
    "script_document": "ScriptDocument",
    "secret_rules": (
        "TOKEN_PREFIX SecretRule holding_tokens is_address is_secret key_in_words leads_to_instance "
        "missing_rules secret_names settled without_instances"
    ),
    "wire": (
        "ANSWER_WHOLE AS_IT_COMES Limits ServerConfig decode_event dump_config encode_event load_config read_events"
    ),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Load the module of a name when the name is asked for."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return found
