"""The tree of errors. Every message is lower case, without a period, with values in backticks.

    LicetError                     exit  http
    ├── UsageError                   64   400   the call is wrong: a bad file, flag, value
    │   └── InputError               64   400   ... at a place in a file (file, line, key)
    ├── NotFoundError                 1   404   no such id, or not yours
    ├── RefusedError                  1   409   understood and refused; nothing was changed
    │   └── GateError                 1   451   the account must decide first
    ├── DeniedError                   1   403   the content may not be opened
    ├── BusyError                    75   503   try again: the database, a lock, a provider
    └── BrokenError                  70   500   an invariant does not hold; stop
        ├── DiskFailedError          70   503   ... of the disk: nothing may be acknowledged
        └── ContradictedError         1   500   ... of an artefact passed in: it is not what it claims

The edge (cli, web) maps an error to an exit code or a status once, from the attributes of its
class.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping


class LicetError(Exception):
    """Any error of Licet's. ``hint`` is the fix, in one sentence, or empty; ``because`` a code for
    programs, or empty.
    """

    exit_code = 70
    status = 500
    because: str = ""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(LicetError):
    exit_code = 64
    status = 400


class InputError(UsageError):
    """A mistake in a file, with the place, the value and the fix."""

    def __init__(
        self, message: str, hint: str = "", *, file: str = "", line: int = 0, key: str = ""
    ) -> None:
        place = file + (f":{line}" if line else "")
        parts = [p for p in (place, f"key `{key}`" if key else "") if p]
        super().__init__(": ".join([*parts, message]), hint)
        self.file, self.line, self.key = file, line, key


class NotInstalledError(UsageError):
    """A package of the optional ``part``, an extra of Licet's package, is not installed."""

    def __init__(self, package: str, part: str, otherwise: str = "") -> None:
        hint = (
            f"`./run setup {part}` installs it; in an environment of your own it is the extra "
            f"`{part}` of this package"
        )
        super().__init__(
            f"`{package}` is not installed", f"{hint}; {otherwise}" if otherwise else hint
        )
        # Python shows notes to programs that import Licet, but no hints
        self.add_note(self.hint)


def not_installed(missing: ModuleNotFoundError, part: str) -> Exception:
    """Returns the error for a missing module: ``missing`` itself if it is one of Licet's own."""
    return missing if is_ours(missing) else NotInstalledError(missing.name or "a package", part)


def is_ours(missing: ModuleNotFoundError) -> bool:
    """Whether a module of Licet's own is missing, which no extra provides."""
    return (missing.name or "").partition(".")[0] == "licet"


class NotFoundError(LicetError):
    exit_code = 1
    status = 404


class RefusedError(LicetError):
    """Understood and refused. ``because`` is a stable word for programs; ``details`` are the
    message's facts as JSON values.
    """

    exit_code = 1
    status = 409

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        because: str = "refused",
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message, hint)
        self.because = because
        self.details = details or {}


class GateError(RefusedError):
    status = 451


class DeniedError(LicetError):
    exit_code = 1
    status = 403


class BusyError(LicetError):
    """``because`` names the silent service, if known: `bucket_silent` and the like in
    `client.reasons`.
    """

    exit_code = 75
    status = 503

    def __init__(self, message: str, hint: str = "", *, because: str = "") -> None:
        super().__init__(message, hint)
        if because:
            self.because = because


class BrokenError(LicetError):
    exit_code = 70
    status = 500


class DiskFailedError(BrokenError):
    """A write to the disk failed: nothing may be acknowledged any more."""

    status = 503
    because = "disk_failed"


class ContradictedError(BrokenError):
    """A backup or an archive differs from what this installation wrote: it is damaged or forged.
    None of it was used.
    """

    exit_code = 1


def error_places(error: BaseException) -> list[str]:
    """Returns the innermost twelve frames of an error, as file, line and function, for logs: the
    message may hold content.
    """
    return [
        f"{frame.filename}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)[-12:]
    ]
