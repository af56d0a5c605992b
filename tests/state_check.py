"""The whole state, held against what must be so of it at any moment: database, log, register and
restriction journal.

`check_all` names everything that is broken. It reads: it costs one statement for all invariants of
the tables, and a look at the files. What the schema says itself (references, CHECK constraints) is
not said again here.
"""

from __future__ import annotations

import hashlib
from collections import Counter

import psycopg

from licet.errors import BrokenError, NotFoundError, RefusedError
from licet.keys import fence
from licet.keys.material import EMPTY_SLOT, SLOTS_PER_PAGE
from licet.keys.restriction_journal import Journal, RestrictionKind
from licet.ledger import sequence
from licet.ledger.publication import PublishedLog
from licet.proof import documents
from licet.release import catalog
from licet.store.connect import Transaction, transaction
from licet.vault import counts
from licet.vault.installation import Installation

LEAVES_MAX = 4_096  # of a log whose root is worked out
SLOT = len(EMPTY_SLOT)
EVENTS = (
    "(SELECT account_id, seq, occurred_at FROM journal UNION ALL SELECT account_id, seq, "
    "occurred_at FROM turns)"
)
KEPT = """(SELECT account_id, key_slot AS slot FROM segments WHERE key_slot IS NOT NULL
     UNION ALL SELECT account_id, safety_slot FROM segments WHERE safety_slot IS NOT NULL
     UNION ALL SELECT account_id, key_slot FROM feedback WHERE key_slot IS NOT NULL)"""
WRAPPED = f"""(SELECT p.account_id, p.page * {SLOTS_PER_PAGE} + n AS slot,
         substr(p.slots, n * {SLOT} + 1, {SLOT}) = '\\x{EMPTY_SLOT.hex()}' AS destroyed
    FROM key_pages p JOIN accounts o USING (account_id),
         generate_series(0, least(length(p.slots) / {SLOT}, o.next_slot - p.page * {SLOTS_PER_PAGE}) - 1) n)"""


def _longest(*period: str) -> str:
    """The longest of a period of the policy's `keep` in any version: what a version shortened may
    stand as it was.
    """
    return (
        f"(SELECT max((document::json #>> '{{keep,{','.join(period)}}}')::interval) FROM policies)"
    )


IN_FORCE = """(SELECT account_id, grant_no, question, NULL::uuid AS project_id,
          NULL::uuid AS conversation_id
          FROM standings WHERE grant_no IS NOT NULL
     UNION ALL SELECT account_id, grant_no, question, project_id, conversation_id
       FROM scoped_grants)"""
# When the last turn of the conversation `c` was said, and when a grant of its account last ended or
# it was kept out.
SAID = """(SELECT max(o.last_at) FROM segments o
            WHERE (o.account_id, o.conversation_id) = (c.account_id, c.conversation_id))"""
ENDED = """(SELECT max(j.occurred_at) FROM journal j WHERE j.account_id = c.account_id
             AND (j.event LIKE 'ended%%' OR j.event IN ('narrowed', 'closed')))"""


def bound(*periods: str, since: str = SAID) -> str:
    """The latest end that one of these periods of any version sets from a moment on."""
    ends = ", ".join(
        f"({since} + (v.document::json -> 'keep' ->> '{period}')::interval)" for period in periods
    )
    return f"(SELECT max(greatest({ends})) FROM policies v)"


# What must find no row: each invariant by its name, and a statement of one text column that finds
# what breaks it.
INVARIANTS = {
    "what is counted as it changes is what a recount says": counts.DIFFERENCES,
    "an item of the inbox has its steps": """
        SELECT i.item FROM inbox_items i LEFT JOIN inbox_steps s USING (item) GROUP BY i.item
        HAVING count(s.step_no) <> i.steps OR max(s.step_no) <> i.steps - 1""",
    "who has an item took it or was handed it": """
        SELECT i.item FROM inbox_items i WHERE i.staff_id IS NOT NULL
          AND NOT EXISTS (SELECT FROM inbox_steps s
         WHERE s.item = i.item AND s.step IN ('taken', 'handed')
           AND coalesce(s.to_staff, s.staff_id) = i.staff_id)""",
    "a step is of the account of its item": """
        SELECT i.item FROM inbox_items i JOIN inbox_steps s USING (item)
         WHERE i.account_id IS DISTINCT FROM s.account_id""",
    "the host's ids name the accounts, each by one; one that is closed may have lost its own": """
        SELECT account_id::text FROM account_hosts h FULL JOIN accounts a USING (account_id)
          GROUP BY account_id
        HAVING count(h.host_hmac) <> 1 AND (count(h.host_hmac) > 1 OR max(a.closed_at) IS NULL)
            OR bool_or(a.bucket IS NULL)""",
    "what no index holds over all accounts is given once": """
        SELECT 'erasure ' || erasure_id FROM erasures GROUP BY erasure_id HAVING count(*) > 1
         UNION ALL SELECT 'event ' || event_id FROM events GROUP BY event_id HAVING count(*) > 1
         UNION ALL SELECT 'number of an event ' || number FROM events
           GROUP BY number HAVING count(number) > 1
         UNION ALL SELECT 'row ' || ordinal FROM release_rows
           GROUP BY release_id, ordinal HAVING count(*) > 1""",
    "an account's events are numbered without a gap": f"""
        SELECT a.account_id::text FROM accounts a LEFT JOIN {EVENTS} e USING (account_id)
          GROUP BY a.account_id
        HAVING count(e.seq) <> a.last_seq OR count(DISTINCT e.seq) <> a.last_seq
            OR a.last_seq > 0 AND (min(e.seq), max(e.seq)) <> (1, a.last_seq)""",
    "time never decreases along an account's order, but for recorded turns under no grant": f"""
        SELECT account_id || ' at ' || seq FROM (SELECT *,
          max(occurred_at) OVER (PARTITION BY account_id ORDER BY seq
          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) b FROM {EVENTS} e) o
         WHERE occurred_at < b AND NOT EXISTS (SELECT FROM turns t
           JOIN segments s USING (account_id, conversation_id, segment)
           WHERE (t.account_id, t.seq) = (o.account_id, o.seq) AND s.grants = '{{}}')""",
    "time never decreases along a conversation's turns": """
        SELECT conversation_id || ' ' || turn
          FROM (SELECT *, lag(occurred_at) OVER (PARTITION BY account_id, conversation_id
          ORDER BY turn) b FROM turns t) o WHERE occurred_at < b""",
    "positions follow an account's order": """
        SELECT account_id || ' at ' || seq FROM (SELECT *,
          lag(position) OVER (PARTITION BY account_id ORDER BY seq) b
          FROM journal) o WHERE position <= b""",
    "a choice stands in the journal": """
        SELECT c.account_id || ' at ' || c.seq FROM choices c
          WHERE NOT EXISTS (SELECT FROM journal j
         WHERE (j.account_id, j.seq, j.event, j.occurred_at) = (c.account_id, c.seq, 'choice',
           c.occurred_at))""",
    "a grant in force was begun by a choice": f"""
        SELECT g.account_id || ' ' || g.grant_no FROM {IN_FORCE} g
          WHERE NOT EXISTS (SELECT FROM choices c
         WHERE (c.account_id, c.grant_no, c.question) = (g.account_id, g.grant_no, g.question)
           AND c.effect = 'began'
           AND c.project_id IS NOT DISTINCT FROM g.project_id AND c.conversation_id IS NOT DISTINCT
             FROM g.conversation_id)""",
    "the grants in force are counted": f"""
        SELECT a.account_id::text FROM accounts a LEFT JOIN {IN_FORCE} g USING (account_id)
         GROUP BY a.account_id, a.in_force HAVING count(g.grant_no) <> a.in_force""",
    "a grant's number is given once in its account": f"""
        SELECT g.account_id || ' ' || g.grant_no FROM {IN_FORCE} g
          JOIN accounts a USING (account_id)
         GROUP BY g.account_id, g.grant_no, a.granted HAVING count(*) > 1
           OR g.grant_no NOT BETWEEN 1 AND a.granted
         UNION ALL SELECT account_id || ' ' || grant_no FROM choices WHERE effect = 'began'
         GROUP BY account_id, grant_no HAVING count(*) > 1""",
    "a grant's scope is not kept out, deleted or incognito": """
        SELECT g.account_id || ' ' || g.grant_no FROM scoped_grants g
          JOIN projects p USING (account_id, project_id)
         WHERE p.kept_out_at IS NOT NULL
         UNION ALL
        SELECT g.account_id || ' ' || g.grant_no FROM scoped_grants g
          JOIN conversations c USING (account_id, conversation_id)
         WHERE c.narrowed OR c.incognito""",
    "a segment's grants were begun by its account": """
        SELECT s.conversation_id || ' ' || s.segment FROM segments s
          JOIN accounts a USING (account_id),
               unnest(s.grants) AS number WHERE number NOT BETWEEN 1 AND a.granted""",
    "a segment is of no more than its turns' origins": """
        SELECT s.conversation_id || ' ' || s.segment FROM segments s
          JOIN turns t USING (account_id, conversation_id, segment)
         GROUP BY s.account_id, s.conversation_id, s.segment
        HAVING array_agg(DISTINCT t.origin ORDER BY t.origin)
            <> (SELECT array_agg(origin ORDER BY origin)
              FROM unnest(string_to_array(s.origins, ',')) AS origin)""",
    "segments cover their turns": """
        SELECT s.conversation_id || ' ' || s.segment FROM segments s
          LEFT JOIN turns t USING (account_id, conversation_id, segment)
         GROUP BY s.account_id, s.conversation_id, s.segment
        HAVING (count(t.turn), min(t.turn), max(t.turn), max(t.occurred_at),
          bool_or(t.role = 'user'))
            IS DISTINCT FROM (s.last_turn - s.first_turn + 1, s.first_turn, s.last_turn, s.last_at,
              s.has_user)""",
    "a conversation knows the segment that decides": """
        SELECT c.conversation_id::text FROM conversations c JOIN LATERAL (
          SELECT s.segment, s.grants, s.narrowing, s.stale
            FROM segments s WHERE (s.account_id, s.conversation_id) = (c.account_id,
              c.conversation_id)
           ORDER BY s.has_user DESC, s.segment DESC LIMIT 1) d ON true
         WHERE (d.segment, d.grants, d.narrowing, d.stale) IS DISTINCT FROM
               (c.deciding, c.deciding_grants, c.deciding_narrowing, c.deciding_stale)""",
    "a narrowing is one that has been": """
        SELECT s.conversation_id || ' ' || s.segment FROM segments s
          JOIN conversations c USING (account_id, conversation_id)
         WHERE s.narrowing > c.narrowings OR c.narrowed AND s.grants <> '{}'
           AND s.narrowing = c.narrowings""",
    "content has its key": """
        SELECT b.conversation_id || ' ' || b.first_turn FROM blocks b LEFT
          JOIN segments s USING (account_id, conversation_id, segment)
         WHERE s.key_slot IS NULL AND b.sizes IS NOT NULL""",
    "a turn is in one block": """
        SELECT conversation_id || ' ' || turn FROM turns
         GROUP BY account_id, conversation_id, turn HAVING count(*) > 1""",
    "the host's id of a turn is of one turn": """
        SELECT conversation_id || ' ' || min(turn) FROM turns WHERE host_hmac IS NOT NULL
         GROUP BY account_id, conversation_id, host_hmac HAVING count(*) > 1""",
    "a block has some content, or none and no sizes": """
        SELECT conversation_id || ' ' || first_turn FROM blocks b WHERE sizes IS NOT NULL
           AND NOT EXISTS (SELECT FROM generate_series(0, length(roles) - 1) n
                            WHERE packed_int4(sizes, n) > 0)""",
    "where names were found is kept with its segment": """
        SELECT f.conversation_id || ' ' || f.segment FROM found_names f
          LEFT JOIN segments s USING (account_id, conversation_id, segment)
            WHERE s.key_slot IS NULL""",
    "a safety copy has its key": """
        SELECT b.conversation_id || ' ' || b.turn FROM safety_bodies b
          LEFT JOIN segments s USING (account_id, conversation_id, segment)
            WHERE s.safety_slot IS NULL""",
    "a copy of feedback has its key": """
        SELECT b.feedback_id::text FROM feedback_bodies b LEFT
          JOIN feedback f USING (account_id, feedback_id)
         WHERE f.key_slot IS NULL""",
    "what lives has one key of its own, and it is there": f"""
        SELECT k.account_id || ' ' || k.slot FROM {KEPT} k LEFT
          JOIN {WRAPPED} w USING (account_id, slot)
         GROUP BY k.account_id, k.slot HAVING count(*) > 1 OR bool_or(w.destroyed) IS NOT FALSE""",
    "a key that nothing names is destroyed": f"""
        SELECT w.account_id || ' ' || w.slot FROM {WRAPPED} w JOIN accounts a USING (account_id)
         WHERE NOT w.destroyed AND w.slot < a.next_slot
           AND NOT EXISTS (SELECT FROM {KEPT} k
             WHERE (k.account_id, k.slot) = (w.account_id, w.slot))""",
    "a deleted conversation ends with its longest period": f"""
        SELECT s.conversation_id || ' ' || s.segment FROM segments s
          JOIN conversations c USING (account_id, conversation_id)
         WHERE c.deleted_at IS NOT NULL AND s.keep_until > c.deleted_at + {_longest("deleted")}""",
    "a closed account's content ends with its longest period": f"""
        SELECT s.conversation_id || ' ' || s.segment FROM segments s
          JOIN accounts a USING (account_id)
         WHERE s.keep_until > a.closed_at + {_longest("deleted")}""",
    "nothing is kept longer than a turn could have dated it": f"""
        SELECT s.conversation_id || ' ' || s.segment FROM segments s
          JOIN conversations c USING (account_id, conversation_id)
         WHERE s.keep_until > {bound("opted_in", "opted_out", "incognito")}""",
    "what was never under a grant is kept no longer than without one": f"""
        SELECT s.conversation_id || ' ' || s.segment FROM segments s
          JOIN conversations c USING (account_id, conversation_id)
         WHERE (c.incognito OR s.narrowed OR NOT s.in_scope OR s.grants = '{{}}'
           AND c.deciding_grants = '{{}}')
           AND s.keep_until > {bound("opted_out", "incognito")}""",
    "what no grant in force covers is kept no longer than from the last ending": f"""
        SELECT s.conversation_id || ' ' || s.segment FROM segments s
          JOIN conversations c USING (account_id, conversation_id)
         WHERE NOT (s.grants || c.deciding_grants) && ARRAY(SELECT g.grant_no FROM {IN_FORCE} g
                                                             WHERE g.account_id = s.account_id)
           AND s.keep_until > greatest({bound("opted_out", "incognito")},
             {bound("opted_out", since=ENDED)})""",
    "feedback is kept no longer than the policy allows": f"""
        SELECT f.feedback_id::text FROM feedback f
          WHERE f.keep_until > f.given_at + CASE WHEN f.grant_no IS NULL
          THEN {_longest("feedback", "opted_out")} ELSE {_longest("feedback", "opted_in")} END""",
    "a safety copy is kept no longer than the policy allows": f"""
        SELECT s.conversation_id || ' ' || s.segment FROM segments s
          JOIN accounts a USING (account_id)
         WHERE s.safety_until > a.last_at + {_longest("flagged")}""",
    "what a hold keeps is not erased": """
        SELECT h.conversation_id || ' ' || s.segment FROM holds h
          JOIN segments s USING (account_id, conversation_id)
         WHERE s.erased_at >= h.placed_at AND h.placed_at < s.keep_until""",
    "every copy is registered": """
        SELECT b.conversation_id || ' ' || b.segment FROM (
          SELECT account_id, conversation_id, segment, 'vault' AS place FROM blocks
            WHERE sizes IS NOT NULL
           UNION SELECT account_id, conversation_id, segment, 'safety' FROM safety_bodies) b
         WHERE NOT EXISTS (SELECT FROM copies r WHERE r.ended_at IS NULL
           AND (r.account_id, r.conversation_id, r.segment,
               r.place) = (b.account_id, b.conversation_id, b.segment, b.place))""",
    "every registered copy is there": """
        SELECT r.conversation_id || ' ' || r.place FROM copies r WHERE r.ended_at IS NULL AND (
          r.place = 'vault' AND NOT EXISTS (SELECT FROM blocks b
            WHERE b.sizes IS NOT NULL AND (b.account_id, b.conversation_id, b.segment)
            = (r.account_id, r.conversation_id, r.segment))
          OR r.place = 'safety' AND NOT EXISTS (SELECT FROM safety_bodies b
            WHERE (b.account_id, b.conversation_id, b.segment)
            = (r.account_id, r.conversation_id, r.segment)))""",
    "a request's steps are numbered without a gap, from its receipt": """
        SELECT r.request_id::text FROM rights_requests r LEFT JOIN rights_steps s USING (request_id)
         GROUP BY r.request_id HAVING (count(s.step_no), min(s.step_no), max(s.step_no)) IS DISTINCT
           FROM
           (max(s.step_no) + 1, 0, max(s.step_no))
             OR bool_or((s.step = 'received') <> (s.step_no = 0))""",
    "a request ended with the step that says so": """
        SELECT r.request_id::text FROM rights_requests r
          WHERE (r.ended_at IS NOT NULL) <> EXISTS (SELECT FROM rights_steps s
         WHERE s.request_id = r.request_id AND s.step = r.state AND s.at = r.ended_at)""",
    "what was written without an account has its key until it is forgotten": """
        SELECT r.request_id::text FROM rights_requests r WHERE r.account_id IS NULL
           AND EXISTS (SELECT FROM rights_steps s WHERE s.request_id = r.request_id
             AND s.words IS NOT NULL)
           <> EXISTS (SELECT FROM secrets WHERE name = 'request_' || replace(r.request_id::text, '-', ''))
         UNION ALL SELECT name FROM secrets WHERE name LIKE 'request\\_%%'
           AND NOT EXISTS (SELECT FROM rights_requests r
         WHERE name = 'request_' || replace(r.request_id::text, '-', '') AND r.account_id IS NULL
           AND r.forgotten_at IS NULL)""",
    "the log's leaves are numbered without a gap": """
        SELECT l.log_year::text FROM logs l LEFT JOIN outbox o USING (log_year) GROUP BY l.log_year
        HAVING (count(o.index), coalesce(max(o.index) + 1, 0)) <> (l.size, l.size)""",
}
STATEMENT = " UNION ALL ".join(
    f"SELECT %s AS invariant, broken.it FROM ({found}) AS broken(it)"
    for found in INVARIANTS.values()
)
TOOK_BACK = {
    "plan_set": "plan", "age_found": "age", "region_set": "region", "closed": "closed", "choice": "refused", "deleted": "deleted",
    "narrowed": "narrowed", "project_kept_out": "project_kept_out", "unflagged": "unflagged",
    "feedback_taken_back": "feedback_taken_back",
}  # fmt: skip


def check_all(installation: Installation) -> None:
    """Asserts that the whole state is sound; the message names each invariant that is broken, and
    what breaks it.
    """
    broken = faults(installation)
    assert broken == [], "\n".join(broken)


def faults(installation: Installation, kept: psycopg.Connection | None = None) -> list[str]:
    """What is broken, as `invariant: what`; tables are asked on ``kept``, where the statement is
    planned already, or on a connection of the installation.
    """
    with transaction(installation.pool) as tx:
        broken = in_tables(tx if kept is None else kept)
        life = fence.current_life(tx)
        if installation.keyring.restrictions is not None:
            broken += in_restrictions(tx, installation.keyring.restrictions, life)
        standings = sequence.standings(tx)
    broken += [fault for standing in standings for fault in in_log(installation, standing)]
    broken += [f"every sealed release has its folder: {name}" for name in released(installation)]
    return broken


def in_tables(tx: Transaction | psycopg.Connection) -> list[str]:
    """What the tables break of their invariants; nothing where nobody has an account."""
    if tx.execute("SELECT FROM accounts LIMIT 1").fetchone() is None:
        return []
    rows = tx.execute(STATEMENT, list(INVARIANTS), prepare=True).fetchall()
    return sorted(f"{name}: {what}" for name, what in rows)


def in_log(installation: Installation, standing: sequence.LogStanding) -> list[str]:
    """What the published log of a year breaks: it is as long as the database says, and its root is
    that of its leaves.
    """
    folder = documents.place(installation).folder / str(standing.year)
    try:
        published = PublishedLog(folder, documents.key(installation, standing.year))
    except (BrokenError, NotFoundError, RefusedError) as error:
        return [f"the log's checkpoints are there and signed: {standing.year}: {error.message}"]
    broken = []
    if published.checkpoint.size < standing.decided:
        broken.append(f"the log's files are as long as the database says: {standing.year}")
    if published.checkpoint.size <= LEAVES_MAX:
        leaves = [hashlib.sha256(b"\x00" + entry).digest() for entry in published.entries()]
        if root(leaves) != published.checkpoint.root:
            broken.append(f"the log's root is that of its leaves: {standing.year}")
        if (
            published.checkpoint.size >= standing.decided
            and root(leaves[: standing.decided]) != standing.root
        ):
            broken.append(f"the log's root is the one that the database knows: {standing.year}")
    return broken


def root(leaves: list[bytes]) -> bytes:
    """The Merkle tree's root over hashes of leaves, as RFC 6962, section 2.1, writes it."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + root(leaves[:half]) + root(leaves[half:])).digest()


def in_restrictions(tx: Transaction, journal: Journal, life: int) -> list[str]:
    """What was taken back in this life of the database, and the restriction journal does not hold.

    One record holds what one command took back: a no that answers several questions, the age that
    came with it, and every conversation of a project that is kept out.
    """
    records = [r for r in journal.records() if r.life == life]
    kept = Counter((r.account, r.kind.value, r.at, r.conversation) for r in records)
    refused = {(r.account, r.at, r.question) for r in records if r.kind is RestrictionKind.refused}
    aged = {
        (r.account, r.at)
        for r in records
        if r.kind is RestrictionKind.refused and r.age is not None
    }
    kept_out = {(r.account, r.at) for r in records if r.kind is RestrictionKind.project_kept_out}
    rows = tx.execute(
        """SELECT j.account_id, j.event, j.occurred_at, j.conversation_id, coalesce(c.question, '')
             FROM journal j
             LEFT JOIN choices c ON j.event = 'choice'
               AND (c.account_id, c.seq) = (j.account_id, j.seq)
            WHERE j.position > coalesce((SELECT position FROM lives ORDER BY life DESC LIMIT 1), 0)
              AND j.ends
              AND j.event = ANY(%s) AND (j.event <> 'choice' OR NOT c.allow)""",
        [list(TOOK_BACK)],
    ).fetchall()
    lost = [
        (account, "refused")
        for account, event, at, _, question in rows
        if event == "choice" and not {(account, at, question), (account, at, "")} & refused
    ]
    took = Counter(
        (account, TOOK_BACK[event], at, chat)
        for account, event, at, chat, _ in rows
        if event != "choice"
    )
    lost += [
        (account, kind)
        for account, kind, at, _ in took - kept
        if not (kind == "age" and (account, at) in aged)
        and not (kind == "narrowed" and (account, at) in kept_out)
    ]
    return [
        f"the restriction journal holds what was taken back: {account} {kind}"
        for account, kind in lost
    ]


def released(installation: Installation) -> list[str]:
    """The sealed releases whose folder is not there."""
    folder = installation.config.releases
    return [
        release.name
        for release in catalog.list_releases(installation)
        if release.state == "sealed" and not (folder / release.name / "manifest.json").is_file()
    ]
