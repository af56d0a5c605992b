"""A conversation as a page shows it: what it is called, whether it may be used and why, until when,
and what holds it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import msgspec

from licet.consent import history
from licet.consent.catalogue import Catalogue
from licet.consent.history import ConsumedBy
from licet.consent.own_conversations import OwnConversation, Use, UseBadge, UseRun
from licet.erasure.epochs import out_of_reach_days
from licet.erasure.key_rotation import Rotation
from licet.masked import Masked
from licet.policy.file import Policies, Policy
from licet.vault.installation import Installation

SWEPT_WITHIN = timedelta(days=1)


class BadgeLine(msgspec.Struct, frozen=True, kw_only=True):
    """A badge as text."""

    use: str
    head: str
    rest: str
    runs: tuple[str, ...]


class ChatLine(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A conversation on a page. ``kept_out`` is None if nothing can be kept out; ``use`` is the
    answer if it is the same for all turns and purposes, else `part`, or empty without an answer.
    """

    id: str
    title: str
    about: str
    note: str
    safety: str
    holds: tuple[str, ...]
    warning: str
    learnt: tuple[str, ...]
    badges: tuple[BadgeLine, ...]
    use: str
    deleted: bool
    kept_out: bool | None
    narrowings: int
    act: str
    releases: tuple[str, ...]


class Dates(msgspec.Struct, frozen=True, kw_only=True):
    """When expired content is out of reach: a sweep follows within a day; old copies of the
    database become useless later.
    """

    at: datetime
    policy: Policy
    copies_days: int

    def destroyed_by(self, mine: OwnConversation, until: datetime) -> datetime:
        """The latest date on which the keys are destroyed: a day after the end date, or after the
        deletion if that is later.
        """
        return max(until, mine.deleted_at or until) + SWEPT_WITHIN

    def gone_by(self, mine: OwnConversation, until: datetime) -> datetime:
        """When no copy of the database can be used any more to open it, whatever keys are kept."""
        return self.destroyed_by(mine, until) + timedelta(days=self.copies_days)


def dates_of(installation: Installation, policies: Policies) -> Dates:
    """The dates under the policy in force."""
    at = installation.clock()
    return Dates(
        at=at,
        policy=policies.in_force(at),
        copies_days=out_of_reach_days(installation)[Rotation.daily],
    )


def conversation_line(words: Catalogue, dates: Dates, mine: OwnConversation) -> ChatLine:
    """A conversation as a page shows it."""
    untitled = "chats.untitled.deleted" if mine.deleted_at else "chats.untitled"
    title = mine.title or words.say(untitled, day=words.day(mine.begun_at))
    parts = [
        words.say(f"chats.kind.{mine.kind.value}"),
        words.day(mine.last_at),
        words.count("chats.messages", mine.turns),
    ]
    can_keep_out = mine.deleted_at is None and not mine.incognito and not mine.erased
    return ChatLine(
        id=mine.shown_id,
        title=title,
        about=" · ".join(parts),
        note=retention_note(words, dates, mine),
        safety=words.say("chat.safety", day=words.day(mine.safety_until))
        if mine.safety_until
        else "",
        holds=tuple(
            words.say(
                "chat.holds",
                reason=words.say(f"hold.{one.reason.value}"),
                day=words.day(one.placed_at),
                review=words.day(one.review_at),
            )
            for one in mine.holds
        ),
        warning=_warning(words, dates, mine) if can_keep_out else "",
        learnt=tuple(training_lines(words, mine.learnt)),
        badges=tuple(badges(words, mine.badges)),
        use=_use(mine.badges),
        deleted=mine.deleted_at is not None or mine.erased,
        kept_out=mine.kept_out if can_keep_out else None,
        narrowings=mine.narrowings,
        act=words.say("chats.let_in" if mine.kept_out else "chats.keep_out"),
        releases=mine.releases,
    )


def _use(badges: Sequence[UseBadge]) -> str:
    uses = {badge.use for badge in badges}
    return "" if not uses else uses.pop().value if len(uses) == 1 else Use.part.value


def _warning(words: Catalogue, dates: Dates, mine: OwnConversation) -> str:
    """How keeping it out changes its end date, if that comes earlier."""
    until = dates.policy.keep.of_turn(allowed=False).after(dates.at)
    if mine.kept_out or mine.keep_until is None or mine.keep_until <= until:
        return ""
    return words.say("chats.keep_out.warning", day=words.day(until))


def training_lines(words: Catalogue, consumers: Sequence[ConsumedBy]) -> Iterator[str]:
    """One line for each model trained on the person's rows."""
    for rows in history.group_by_model(consumers):
        yield words.say(
            "learnt.line",
            model=rows[0].model,
            release=rows[0].release,
            day=words.day(rows[0].finished_at),
            rows=words.count("rows", sum(one.rows for one in rows)),
            conversations=words.count("conversations", len(rows)),
        )


def retention_note(words: Catalogue, dates: Dates, mine: OwnConversation) -> str:
    if mine.erased:
        return words.say("chats.erased")
    until = mine.keep_until
    if mine.deleted_at is not None:
        day = words.day(mine.deleted_at)
        if until is None:
            return words.say("chats.gone.held", day=day)
        destroyed, gone = dates.destroyed_by(mine, until), dates.gone_by(mine, until)
        return words.say("chats.gone", day=day, until=words.day(destroyed), gone=words.day(gone))
    if until is None:
        return words.say("chats.kept.held")
    if until <= dates.at:
        return words.say(
            "chats.over", day=words.day(until), until=words.day(dates.destroyed_by(mine, until))
        )
    return words.say("chats.kept", day=words.day(until))


def badges(words: Catalogue, badges: Sequence[UseBadge]) -> Iterator[BadgeLine]:
    """One line for each answer, with its purposes."""
    grouped: list[tuple[UseBadge, list[str]]] = []
    for badge in badges:
        for other, purposes in grouped:
            if msgspec.structs.replace(badge, purpose="") == msgspec.structs.replace(
                other, purpose=""
            ):
                purposes.append(badge.purpose)
                break
        else:
            grouped.append((badge, [badge.purpose]))
    for badge, purposes in grouped:
        yield BadgeLine(
            use=badge.use.value,
            head=words.say(f"use.{badge.use.value}"),
            rest=_other_purposes(words, badge, purposes),
            runs=tuple(_run(words, run) for run in _merge_runs(words, badge.runs)),
        )


def _other_purposes(words: Catalogue, badge: UseBadge, purposes: Sequence[str]) -> str:
    purpose = words.join_names([words.purpose(name) for name in purposes])
    day = words.day(badge.until) if badge.until is not None else ""
    reason = badge.reason
    if badge.use is Use.part:
        reason = next(
            r.reason for r in badge.runs if r.until is None and r.because.value != "origin"
        )
    return words.say(
        f"badge.{badge.use.value}", purpose=purpose, day=day, because=words.say(f"because.{reason}")
    )


def _merge_runs(words: Catalogue, runs: Sequence[UseRun]) -> list[UseRun]:
    """Merges runs with the same reason that end on the same day, because a page shows them
    alike.
    """
    merged: list[UseRun] = []
    for run in runs:
        last = merged[-1] if merged else None
        if last and (last.reason, _day(words, last.until)) == (run.reason, _day(words, run.until)):
            merged[-1] = msgspec.structs.replace(last, last=run.last)
        else:
            merged.append(run)
    return merged


def _run(words: Catalogue, run: UseRun) -> str:
    because = words.say(f"because.{run.reason}")
    what = words.say(
        "chat.run.used" if run.until else "chat.run.not",
        day=_day(words, run.until),
        because=because,
    )
    return words.say(
        "chat.run.message" if run.first == run.last else "chat.run.messages",
        first=run.first,
        last=run.last,
        what=what,
    )


def _day(words: Catalogue, at: datetime | None) -> str:
    return words.day(at) if at is not None else ""
