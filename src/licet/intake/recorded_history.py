"""Recorded accounts and choices, with their evidence, from files of the operator.

Files are CSV with a header, or JSON lines, by their ending. Every error names the file, the line,
the column and the fix, and then nothing of the file is imported.
"""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, NamedTuple, TypeAlias

from licet.errors import InputError
from licet.intake.import_records import RecordedAccount, RecordedChoice
from licet.intake.replay import TIME_MIN
from licet.policy.events import NamedScope
from licet.policy.file import AGE_MAX, Policies
from licet.policy.period import instant
from licet.vault.commands import NAME, TEXT_BYTES_MAX
from licet.vault.ids import HOST_ID_CHARACTERS_MAX

RECORDS_MAX = 200_000_000
_CHOICE_COLUMNS = {
    "account", "time", "allow", "version", "channel", "evidence", "question", "scope", "keep",
    "because",
}  # fmt: skip
RecordsFile: TypeAlias = Path | zipfile.Path


def read_accounts(path: RecordsFile, now: datetime) -> list[RecordedAccount]:
    """The accounts of a file of records; InputError with the line."""
    result: dict[str, RecordedAccount] = {}
    for place, fields in _records(path, {"account", "plan", "age", "opened"}, {"account", "plan"}):
        host, age = fields["account"], fields.get("age")
        if host in result:
            raise place.mistake("account", f"`{host}` is there twice", "give each account one line")
        result[host] = RecordedAccount(
            host=host,
            plan=place.name("plan", fields["plan"]),
            age=place.parse_age("age", age) if age else None,
            opened_at=place.instant("opened", fields["opened"], now)
            if fields.get("opened")
            else None,
        )
    return list(result.values())


def read_choices(
    path: RecordsFile,
    policies: Policies,
    now: datetime,
    accounts: Collection[str] | None = None,
    *,
    foreign: list[str] | None = None,
) -> list[RecordedChoice]:
    """The recorded choices of a file; InputError with the line, also if one names another policy
    version.

    ``accounts`` may choose; None: any. ``question`` may be empty if only one was asked, or for a no
    to all; ``scope`` is empty for the account, else `project:ID` or `conversation:ID`; ``keep`` are
    the scopes that a no left, separated by `|`. A choice with a ``because`` had no effect and is
    left out. So is one under another version if ``foreign`` is a list, which collects those
    versions.
    """
    result = []
    for place, fields in _records(path, _CHOICE_COLUMNS, {"account", "time", "allow"}):
        if fields.get("because"):  # as in what a person took out
            continue
        host = fields["account"]
        if accounts is not None and host not in accounts:
            raise place.mistake(
                "account", f"`{host}` is not in the file of accounts", "add it there"
            )
        at = place.instant("time", fields["time"], now)
        version, in_force = fields.get("version"), policies.in_force(at).version
        if version and version != in_force and foreign is not None:
            foreign.append(version)
            continue
        if version and version != in_force:
            raise place.mistake(
                "version",
                f"`{version}` was not in force at that time, `{in_force}` was",
                "a choice counts for the terms that were in force when it was made",
            )
        allow = place.yes_or_no("allow", fields["allow"])
        if len(fields.get("evidence", "").encode("utf-8", "replace")) > TEXT_BYTES_MAX:
            raise place.mistake(
                "evidence",
                f"is longer than {TEXT_BYTES_MAX} bytes",
                "keep a reference to it instead",
            )
        result.append(
            RecordedChoice(
                host=host,
                at=at,
                allow=allow,
                via=place.name("channel", fields.get("channel") or "import"),
                evidence=fields.get("evidence", ""),
                question=_question(place, fields.get("question", ""), allow, policies, at),
                scope=place.scope("scope", fields["scope"], allow) if fields.get("scope") else None,
                keep=place.scopes("keep", fields["keep"], allow) if fields.get("keep") else (),
            )
        )
    return result


def _question(
    place: _Place, question: str, allow: bool, policies: Policies, day: datetime
) -> str | None:
    asks = policies.in_force(day).asks
    if question and question not in asks:
        raise place.mistake(
            "question", f"`{question}` was not asked at that time", f"there were {', '.join(asks)}"
        )
    if not question and allow and len(asks) > 1:
        raise place.mistake(
            "question", "is missing", f"a yes names the one it answers: {', '.join(asks)}"
        )
    return question or None


class _Place(NamedTuple):
    """A record's place in its file, and parsers of its fields."""

    file: str
    line: int

    def mistake(self, key: str, message: str, hint: str) -> InputError:
        return InputError(message, hint, file=self.file, line=self.line, key=key)

    def parse_age(self, key: str, text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) <= 3 and int(text) <= AGE_MAX):
            raise self.mistake(
                key, f"`{text}` is not an age", "write whole years, or leave it empty"
            )
        return int(text)

    def name(self, key: str, text: str) -> str:
        if not NAME.fullmatch(text):
            hint = (
                "write it as the policy does: lower-case letters, digits, `_`, `.` and `-`, a "
                "letter first"
            )
            raise self.mistake(key, f"`{text}` is not a name", hint)
        return text

    def yes_or_no(self, key: str, text: str) -> bool:
        if text.lower() not in ("true", "false", "yes", "no"):
            raise self.mistake(key, f"`{text}` is neither yes nor no", "write true or false")
        return text.lower() in ("true", "yes")

    def scope(self, key: str, text: str, allow: bool) -> NamedScope:
        if not allow:
            raise self.mistake(
                key, "is that of a no", "a no is for the account: what it left stands in `keep`"
            )
        return self._scope(key, text)

    def scopes(self, key: str, text: str, allow: bool) -> tuple[NamedScope, ...]:
        if allow:
            raise self.mistake(key, "is that of a yes", "only a no leaves what it names")
        return tuple(self._scope(key, scope.strip()) for scope in text.split("|"))

    def _scope(self, key: str, text: str) -> NamedScope:
        kind, _, name = text.partition(":")
        if (
            kind not in ("project", "conversation")
            or not name
            or len(name) > HOST_ID_CHARACTERS_MAX
        ):
            raise self.mistake(
                key, f"`{text[:80]}` is not a scope", "write `project:ID` or `conversation:ID`"
            )
        return NamedScope(project=name) if kind == "project" else NamedScope(conversation=name)

    def instant(self, key: str, text: str, now: datetime) -> datetime:
        try:
            at = instant(text)
        except (ValueError, OverflowError) as error:
            message, _, mend = str(error).partition(": write ")
            raise self.mistake(key, message, f"write {mend or '2025-09-01T09:00:00Z'}") from None
        if at > now:
            raise self.mistake(key, f"`{text}` has not come yet", "history is what has happened")
        if at < TIME_MIN:
            raise self.mistake(key, f"`{text}` is before 1970", "write when it happened")
        return at


def _records(
    path: RecordsFile, columns: set[str], needed: set[str]
) -> Iterator[tuple[_Place, dict[str, str]]]:
    """The place and the fields of each record, all text."""
    try:
        text: IO[str] = path.open("r", encoding="utf-8-sig", newline="")
    except OSError as error:
        raise InputError(
            f"cannot be read: {(error.strerror or 'unknown').lower()}",
            "name a CSV or JSONL file that can be read",
            file=str(path),
        ) from error
    lines = _json_lines if path.suffix in (".jsonl", ".ndjson", ".json") else _csv_lines
    with text:
        for count, (place, fields) in enumerate(lines(path, text)):
            if count >= RECORDS_MAX:
                raise InputError(
                    f"has more than {RECORDS_MAX} records",
                    "split it",
                    file=str(path),
                    line=place.line,
                )
            for key in sorted(fields.keys() - columns):
                is_csv = lines is _csv_lines  # its first line names the columns
                where = _Place(str(path), 1) if is_csv else place
                raise where.mistake(
                    key, "unknown column", f"columns are {', '.join(sorted(columns))}"
                )
            for key in sorted(needed):
                if not fields.get(key):
                    raise place.mistake(key, "is missing", "give it a value")
            if len(fields["account"]) > HOST_ID_CHARACTERS_MAX:
                raise place.mistake(
                    "account", f"is over {HOST_ID_CHARACTERS_MAX} characters", "name a shorter id"
                )
            yield place, fields


def _csv_lines(path: RecordsFile, text: Iterator[str]) -> Iterator[tuple[_Place, dict[str, str]]]:
    reader = csv.reader(text, strict=True)
    header: list[str] = []
    try:
        for row in reader:
            place = _Place(str(path), reader.line_num)
            fields = [field.strip() for field in row]
            if not any(fields):
                continue
            if not header:
                header = fields
                if "account" not in header:
                    raise place.mistake(
                        "account",
                        "is not in the header",
                        "name the columns in the first line, and part them by commas",
                    )
                continue
            if len(fields) != len(header):
                raise InputError(
                    f"has {len(fields)} fields, and the header {len(header)}",
                    "put a text with commas in quotes",
                    file=str(path),
                    line=place.line,
                )
            yield place, dict(zip(header, fields, strict=True))
    except (csv.Error, UnicodeDecodeError) as error:
        hint = "save it as CSV in UTF-8, with commas"
        raise InputError(
            "is not CSV in UTF-8", hint, file=str(path), line=reader.line_num
        ) from error
    if not header:
        raise InputError("is empty", "name the columns in the first line", file=str(path))


def _json_lines(path: RecordsFile, text: Iterator[str]) -> Iterator[tuple[_Place, dict[str, str]]]:
    number, hint = 0, "write one {...} a line"
    try:
        for number, line in enumerate(text, 1):
            if not line.strip():
                continue
            value = json.loads(line)
            if not isinstance(value, dict):
                raise InputError("is not an object", hint, file=str(path), line=number)
            yield (
                _Place(str(path), number),
                {str(k): _text(v) for k, v in value.items() if v is not None},
            )
    except (ValueError, RecursionError) as error:
        raise InputError("is not JSON in UTF-8", hint, file=str(path), line=number) from error


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
