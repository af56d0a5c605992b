"""Retention: how long each kind of content is kept under a policy version.

`RULES` has a row for each period of the policy file: the kind of content that it dates, and the
answer and surface under which it applies. Only `Keep.period` looks a period up; the parser, the
canonical text, version diffs, notices and the record of processing iterate over the rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import Any

import msgspec

from licet.policy.period import Period


class ContentKind(StrEnum):
    """The kinds of dated content. An incognito conversation has its own period, whatever was
    answered.
    """

    conversation = "conversation"
    incognito = "incognito"
    deleted = "deleted"
    flagged = "flagged"
    flag_score = "flag_score"
    feedback = "feedback"


class RetentionRule(msgspec.Struct, frozen=True):
    """A period of the policy file. ``key`` is its dotted name under `keep`, ``label`` the dated
    content in words. ``allowed`` is whether use is permitted, None for either; ``surface`` None is
    every surface.
    """

    key: str
    label: str
    kind: ContentKind
    allowed: bool | None = None
    surface: str | None = None

    @property
    def name(self) -> str:
        """The key as an identifier for notices and sentences: `feedback_opted_in`."""
        return self.key.replace(".", "_")


RULES = (
    RetentionRule(
        "opted_in", "Conversations of people who allowed training", ContentKind.conversation, True
    ),
    RetentionRule(
        "opted_out", "Conversations of people who did not", ContentKind.conversation, False
    ),
    RetentionRule("incognito", "Incognito conversations", ContentKind.incognito),
    RetentionRule("deleted", "Deleted conversations", ContentKind.deleted),
    RetentionRule("flagged", "Flagged content", ContentKind.flagged),
    RetentionRule("flag_score", "Scores of flagged content", ContentKind.flag_score),
    RetentionRule(
        "feedback.opted_in", "Feedback of people who allowed training", ContentKind.feedback, True
    ),
    RetentionRule(
        "feedback.opted_out", "Feedback of people who did not", ContentKind.feedback, False
    ),
)


class Keep(msgspec.Struct, frozen=True, dict=True):
    """The periods of a version, in the order of `RULES`."""

    rows: tuple[tuple[RetentionRule, Period], ...]

    @cached_property
    def _by_terms(self) -> dict[tuple[ContentKind, bool | None, str | None], Period]:
        return {(rule.kind, rule.allowed, rule.surface): period for rule, period in self.rows}

    def period(
        self, kind: ContentKind, allowed: bool | None = None, surface: str | None = None
    ) -> Period:
        """Returns the period of content of ``kind``: that of the surface, else that of every
        surface.
        """
        periods = self._by_terms
        return periods.get((kind, allowed, surface)) or periods[kind, allowed, None]

    def of_turn(
        self, *, allowed: bool, incognito: bool = False, surface: str | None = None
    ) -> Period:
        """Returns the period of a turn; usable turns are never incognito."""
        if incognito:
            return self.period(ContentKind.incognito, surface=surface)
        return self.period(ContentKind.conversation, allowed, surface)

    @property
    def by_surface(self) -> bool:
        """Whether a period applies to one surface alone."""
        return any(rule.surface is not None for rule, _ in self.rows)

    @property
    def of_turns(self) -> frozenset[Period]:
        """Returns the periods that can date a turn when it is taken."""
        dated = (ContentKind.conversation, ContentKind.incognito)
        return frozenset(period for rule, period in self.rows if rule.kind in dated)

    def changed(self, changes: Mapping[str, Period]) -> Keep:
        """Returns a copy with other periods under some keys."""
        return Keep(tuple((rule, changes.get(rule.key, period)) for rule, period in self.rows))

    def document(self) -> dict[str, Any]:
        """Returns the policy file's part `keep`; a dotted key is one of an inner mapping."""
        document: dict[str, Any] = {}
        for rule, period in self.rows:
            outer, _, inner = rule.key.rpartition(".")
            (document.setdefault(outer, {}) if outer else document)[inner] = str(period)
        return document
