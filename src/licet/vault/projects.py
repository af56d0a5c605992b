"""The projects of accounts and their conversations, as the tables store them: for readers, in the
order of the tree.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from licet.masked import Masked
from licet.policy.state import WHOLE_ACCOUNT, GrantScope, ScopeKind
from licet.store.connect import Transaction
from licet.vault.commands import ChosenScope

NO_UUID = UUID(int=0)


class StoredPlace(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A project, or a conversation with its project. ``title`` is a project's, sealed.
    ``kept_out_at`` is since when it is kept out (a conversation: most recently), None if it is not.
    """

    project: UUID | None
    conversation: UUID | None
    title: bytes | None
    begun_at: datetime
    incognito: bool
    kept_out_at: datetime | None

    @property
    def scope(self) -> GrantScope:
        return scope_of(self.project if self.conversation is None else None, self.conversation)

    @property
    def cursor(self) -> tuple[UUID, UUID]:
        """Its position in the order of `tree`."""
        return self.project or self.conversation or NO_UUID, self.conversation or NO_UUID


def scope_of(project: UUID | None, conversation: UUID | None) -> GrantScope:
    """The scope in the rule's terms: of a project, a conversation, or with neither the account."""
    if conversation is not None:
        return GrantScope(ScopeKind.conversation, conversation.hex)
    return WHOLE_ACCOUNT if project is None else GrantScope(ScopeKind.project, project.hex)


# A project sorts before its conversations, because no id is all zeros.
_TREE = """
    SELECT project_id, conversation_id, title, begun_at, incognito, kept_out_at FROM (
        SELECT project_id, NULL::uuid AS conversation_id, title, begun_at, false AS incognito,
          kept_out_at,
               project_id AS root, '00000000-0000-0000-0000-000000000000'::uuid AS leaf
          FROM projects WHERE account_id = %(account)s
        UNION ALL
        SELECT c.project_id, c.conversation_id, NULL, c.begun_at, c.incognito,
               CASE WHEN c.narrowed THEN coalesce(
                    (SELECT max(j.occurred_at) FROM journal j WHERE j.account_id = c.account_id
                        AND j.conversation_id = c.conversation_id
                          AND j.event = 'narrowed'), c.begun_at) END,
               coalesce(c.project_id, c.conversation_id), c.conversation_id
          FROM conversations c WHERE c.account_id = %(account)s AND c.deleted_at IS NULL) t
     WHERE (root, leaf) > (%(root)s, %(leaf)s) ORDER BY root, leaf LIMIT %(limit)s"""


def tree(
    tx: Transaction, account: UUID, after: tuple[UUID, UUID] | None, limit: int
) -> list[StoredPlace]:
    """The first ``limit`` places after ``after``: each project followed by its conversations, by
    their start. Without deleted ones.
    """
    root, leaf = after or (NO_UUID, NO_UUID)
    rows = tx.execute(_TREE, {"account": account, "root": root, "leaf": leaf, "limit": limit})
    return [
        StoredPlace(**dict(zip(StoredPlace.__struct_fields__, row, strict=True))) for row in rows
    ]


def find(tx: Transaction, account: UUID, scope: ChosenScope) -> UUID | None:
    """The account's project that ``scope`` names, by Licet's id or the HMAC of the host's."""
    row = tx.execute(
        """SELECT project_id FROM projects WHERE account_id = %(account)s
              AND (project_id = %(project)s OR host_hmac = %(host)s)""",
        {"account": account, "project": scope.project, "host": scope.host_project},
    ).fetchone()
    return row[0] if row else None
