"""What a choice refers to, resolved before the rule sees it: each reference to a value of the
account's, or to nothing.

Every choice goes through here: of the API, the pages, an import, a restore. What names nothing
(unknown, another account's, no id at all) decides nothing by itself. A no keeps nothing for it, a
yes for it has no effect, and the age that came with either is taken first, as the rule says. Only a
yes can be refused for what stands beside it: one to a question that is older than the newest
answer, or than the terms in force, would give again what was taken back since.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from licet.policy.file import Policies
from licet.policy.outcomes import NoEffect
from licet.policy.state import NOTHING, WHOLE_ACCOUNT, ConversationState, GrantScope, ScopeKind
from licet.vault.account_choices import NewestChoice
from licet.vault.commands import LATE, STALE, Choose, ChosenScope
from licet.vault.tables import ConversationRow, ProjectRow


class ScopeRows(Protocol):
    """Looks up what choices name."""

    def conversation_named(self, account: UUID, scope: ChosenScope) -> ConversationRow | None:
        """The account's own conversation; None for any other."""

    def project_named(self, account: UUID, scope: ChosenScope) -> ProjectRow | None:
        """The account's own project; None for any other."""


class ResolvedChoice(msgspec.Struct, frozen=True, kw_only=True):
    """A choice in the rule's terms. ``conversation`` is the one that the scope names. ``refused``
    is why a yes does not count; ``repeated`` are earlier choices with the same answer to the same
    showing; ``not_taken`` are the keys that named nothing.
    """

    scope: GrantScope
    conversation: ConversationState | None
    keep: frozenset[GrantScope]
    refused: str
    repeated: tuple[NewestChoice, ...]
    not_taken: tuple[str, ...]


def resolve(
    command: Choose,
    rows: ScopeRows,
    newest: Mapping[tuple[UUID, str], NewestChoice],
    policies: Policies,
    now: datetime,
    *,
    replay: bool = False,
) -> ResolvedChoice:
    """Resolves a choice at ``now``; ``newest`` are the newest choices per question for the whole
    account. In a ``replay`` of recorded history a yes from before ``now`` is late, and one for a
    missing scope is not recorded.
    """
    scope = _scope(command.account, command.scope, rows)
    scopes = [_scope(command.account, named, rows) for named in command.keep]
    answered = _newest_answers(command, newest, policies, now)
    named = (
        rows.conversation_named(command.account, command.scope)
        if command.scope is not None
        else None
    )
    not_taken = list(command.not_taken)
    # what a yes may do
    begins = command.scope is not None and command.scope.host_project is not None
    not_taken += ["scope"] if scope.name == NOTHING and not begins else []
    not_taken += [f"keep[{place}]" for place, one in enumerate(scopes) if one.name == NOTHING]
    return ResolvedChoice(
        scope=scope,
        conversation=named.state if named is not None else None,
        keep=frozenset(scopes),
        refused=(_why_not_replayed(command, scope, now) if replay else "")
        or _why_refused(command, answered, policies, now),
        repeated=tuple(answered) if _is_repeated(command, answered) else (),
        not_taken=tuple(not_taken),
    )


def _scope(account: UUID, scope: ChosenScope | None, rows: ScopeRows) -> GrantScope:
    """The scope in the rule's terms; its name is `NOTHING` if the account has none with that id."""
    if scope is None:
        return WHOLE_ACCOUNT
    if scope.project is not None or scope.host_project is not None:
        project = rows.project_named(account, scope)
        return GrantScope(ScopeKind.project, NOTHING if project is None else project.project_id.hex)
    row = rows.conversation_named(account, scope)
    return GrantScope(ScopeKind.conversation, NOTHING if row is None else row.conversation_id.hex)


def _newest_answers(
    command: Choose,
    newest: Mapping[tuple[UUID, str], NewestChoice],
    policies: Policies,
    now: datetime,
) -> list[NewestChoice]:
    """The newest choices about the questions that the command answers."""
    names = policies.in_force(now).asks if command.question is None else (command.question,)
    return [newest[key] for name in names if (key := (command.account, name)) in newest]


def _is_repeated(command: Choose, answered: Sequence[NewestChoice]) -> bool:
    shown = command.answers
    return (
        shown is not None
        and bool(answered)
        and all((one.showing, one.allow) == (shown.showing, command.allow) for one in answered)
    )


def _why_not_replayed(command: Choose, scope: GrantScope, now: datetime) -> str:
    if not command.allow:
        return ""
    if command.at < now:
        return LATE
    begins = command.scope is not None and command.scope.host_project is not None
    return NoEffect.unknown.value if scope.name == NOTHING and not begins else ""


def _why_refused(
    command: Choose, answered: Sequence[NewestChoice], policies: Policies, now: datetime
) -> str:
    """Why a yes does not count, or empty; a no always counts."""
    shown = command.answers
    if not command.allow:
        return ""
    if command.fault is not None:
        return command.fault.value
    if shown is None or _is_repeated(command, answered):
        return ""
    is_older = any(one.seq > shown.after for one in answered)
    return STALE if is_older or policies.newest_material(now) != shown.version else ""
