"""Data exports (`consent.takeout`) of another installation, as a zip or a folder with `licet.json`.

Its account, choices, conversations and feedback are imported; safety copies, papers and pages are
not. A choice under terms that were not in force here is left out and counted; feedback that was
taken back is left out.
"""

from __future__ import annotations

import zipfile
from collections.abc import Container, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from licet.consent.takeout import ABOUT, ACCOUNTS, CHOICES, FEEDBACK, FORMAT, MESSAGES
from licet.errors import InputError, NotFoundError
from licet.intake import archives, json_stream
from licet.intake.archives import ArchiveMember
from licet.intake.lines import Source
from licet.intake.read_turn import BrokenRecord, Read, ReadFeedback, SkippedRecord
from licet.intake.records import Progress, moment, read_each
from licet.policy.state import Share
from licet.undecodable import UNDECODABLE
from licet.vault.commands import HostCheck
from licet.vault.ids import Prefix, format_turn_id, parse

ABOUT_BYTES_MAX = 10_000


class _About(msgspec.Struct):
    format: str = ""


class _FeedbackLine(msgspec.Struct):
    feedback: str = ""
    conversation: str = ""
    turn: int = 0
    rating: str = ""
    share: str = ""
    given: str = ""
    taken_back: str | None = None
    comment: str = ""
    check: str = ""
    score: float | None = None


_about, _given = msgspec.json.Decoder(_About), msgspec.json.Decoder(_FeedbackLine)


class TakenOut(NamedTuple):
    """A data export with its path and files."""

    path: Path
    accounts: Path | zipfile.Path
    choices: Path | zipfile.Path
    messages: Source
    feedback: Source | None


def recognise(path: Path) -> TakenOut | None:
    """The data export at ``path``; None if it is something else."""
    if path.is_dir():
        return _folder(path)
    try:
        is_zip = path.is_file() and archives.is_archive(path)
    except OSError:
        return None
    return _archive(path) if is_zip else None


def _folder(path: Path) -> TakenOut | None:
    about = path / ABOUT
    try:
        if (
            not about.is_file()
            or about.stat().st_size > ABOUT_BYTES_MAX
            or not _is_takeout(about.read_bytes())
        ):
            return None
    except OSError:
        return None
    _check_complete(
        path, {name for name in (ACCOUNTS, CHOICES, MESSAGES) if (path / name).is_file()}
    )
    feedback = path / FEEDBACK
    return TakenOut(
        path,
        path / ACCOUNTS,
        path / CHOICES,
        path / MESSAGES,
        feedback if feedback.is_file() else None,
    )


def _archive(path: Path) -> TakenOut | None:
    members = {member.path: member for member in archives.list_members(path)[0]}
    about = members.get(ABOUT)
    if about is None or about.packed_bytes > ABOUT_BYTES_MAX:
        return None
    try:
        with about.open() as stream:
            if not _is_takeout(stream.read1(ABOUT_BYTES_MAX)):
                return None
    except (EOFError, OSError):
        return None
    _check_complete(path, members.keys())
    return TakenOut(
        path,
        zipfile.Path(path, ACCOUNTS),
        zipfile.Path(path, CHOICES),
        members[MESSAGES],
        members.get(FEEDBACK),
    )


def _is_takeout(text: bytes) -> bool:
    try:
        return _about.decode(text).format == FORMAT
    except UNDECODABLE:
        return False


def _check_complete(path: Path, there: Container[str]) -> None:
    """InputError if a required file is missing."""
    for name in (ACCOUNTS, CHOICES, MESSAGES):
        if name not in there:
            raise InputError(f"the take-out lacks `{name}`", "take it out again", file=str(path))


def size(takeout: TakenOut) -> int:
    """The bytes on disk that an import of it reads."""
    return sum(
        _bytes(source) for source in (takeout.messages, takeout.feedback) if source is not None
    )


def _bytes(source: Source) -> int:
    return source.packed_bytes if isinstance(source, ArchiveMember) else source.stat().st_size


def read_feedback(source: Source, progress: Progress) -> Iterator[Read]:
    """The feedback of a data export; shared content is copied from the conversation again."""
    records = json_stream.records(source, progress, by_lines=True)
    return read_each(records, _given, lambda place, line, _: iter([_parse_line(place, line)]))


def _parse_line(place: str, line: _FeedbackLine) -> Read:
    if line.taken_back is not None:
        return SkippedRecord(place=place, reason="feedback that was taken back")
    is_check = line.check in set(HostCheck)
    if (
        line.rating not in ("up", "down")
        or line.share not in set(Share)
        or (line.check and not is_check)
    ):
        return BrokenRecord(
            place=place, message="no rating, or a share or a check that is not known"
        )
    try:
        conversation = parse(Prefix.conversation, line.conversation)
    except NotFoundError:
        return BrokenRecord(place=place, message="its conversation is none")
    return ReadFeedback(
        place=place,
        host_conversation=line.conversation,
        host_feedback=line.feedback,
        at=moment(line.given),
        host_turn=format_turn_id(conversation, line.turn) if line.turn else "",
        rating=line.rating,
        share=Share(line.share),
        comment=line.comment,
        check=HostCheck(line.check) if is_check else None,
        score=line.score,
    )
