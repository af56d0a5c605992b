"""The tables refuse what would break an invariant, no matter who writes it; the verbs refuse it
before the tables do.
"""

from __future__ import annotations

from datetime import datetime

import pytest

from licet.errors import UsageError
from licet.keys.keyring import Keyring
from licet.policy.state import Share
from licet.store.connect import Pool, StatementError, transaction
from licet.vault import commands as do
from licet.vault.apply import apply

from .model import hashed, new_account, words
from .town import OPENED, POLICIES, SAID, Town

BROKEN = {
    "grant_only_by_choice": [
        "UPDATE standings SET standing = 'undecided'",
        "UPDATE standings SET standing = 'withdrawn'",
        "UPDATE standings SET standing = 'lapsed'",
    ],
    "a_grant_answers": [
        "UPDATE standings SET answered = NULL",
        "UPDATE standings SET granted_before = false",
    ],
    "standing_is_known": ["UPDATE standings SET standing = 'assumed', grant_no = NULL"],
    "question_is_a_name": [
        "UPDATE standings SET question = 'May Ana''s chats train it?' WHERE standing = 'granted'",
    ],
    "closed_ends_the_grants": ["UPDATE accounts SET closed_at = now()"],
    "grants_in_force_were_given": [
        "UPDATE accounts SET in_force = granted + 1",
        "UPDATE accounts SET in_force = -1",
        "UPDATE accounts SET granted = 0",
    ],
    "one_scope": [
        "UPDATE scoped_grants SET conversation_id = (SELECT conversation_id FROM conversations "
        "LIMIT 1)"
        " WHERE project_id IS NOT NULL",
        "UPDATE scoped_grants SET project_id = NULL",
    ],
    "plan_is_a_name": [
        "UPDATE accounts SET plan = 'Ana''s own plan'",
        "UPDATE accounts SET plan = ''",
    ],
    "age_is_plausible": ["UPDATE accounts SET age = -1", "UPDATE accounts SET age = 151"],
    "a_grant_begins_with_a_yes": [
        "UPDATE choices SET allow = false",
        "UPDATE choices SET allow = false, effect = 'affirmed'",
        "UPDATE choices SET grant_no = NULL",
    ],
    "what_had_an_effect_answers": ["UPDATE choices SET question = NULL"],
    "at_most_one_scope": [
        "UPDATE choices SET project_id = gen_random_uuid(), conversation_id = gen_random_uuid()",
    ],
    "effect_is_known": ["UPDATE choices SET effect = 'assumed'"],
    "via_is_a_name": ["UPDATE choices SET via = 'a friend told me'"],
    "nothing_is_granted_out_of_scope": [
        "UPDATE segments SET in_scope = false",
        "UPDATE segments SET narrowed = true",
    ],
    "narrowing_is_of_a_grant": ["UPDATE segments SET grants = '{}', narrowing = 1"],
    "erased_has_no_key": ["UPDATE segments SET erased_at = now()"],
    "region_is_of_iso_3166": [
        "UPDATE accounts SET region = 'Bavaria'",
        "UPDATE accounts SET region = 'de'",
    ],
    "surface_is_a_name": ["UPDATE segments SET surface = 'My App'"],
    "kind_is_known": ["UPDATE conversations SET kind = 'call'"],
    "role_is_known": [
        "UPDATE blocks SET roles = replace(roles, 'u', 'x')",
        "UPDATE blocks SET roles = 'uh' WHERE first_turn = 0",
        "UPDATE blocks SET (roles, times, hosts, sizes, sealed) = ('', '', NULL, NULL, NULL)"
        " WHERE first_turn > 0",
    ],
    "the_title_comes_first": [
        "UPDATE blocks SET first_turn = 7 WHERE first_turn = 0",
        "UPDATE blocks SET first_turn = 0 WHERE first_turn > 0",
        "UPDATE blocks SET first_turn = -1 WHERE first_turn > 0",
        "UPDATE blocks SET roles = 'hh' WHERE first_turn = 0",
    ],
    "origin_is_a_name": [
        "UPDATE blocks SET origins = 'from: ana' WHERE length(roles) = 1",
        "UPDATE blocks SET origins = ',typed' WHERE length(roles) = 2",
    ],
    "each_turn_has_an_origin": [
        "UPDATE blocks SET origins = 'typed' WHERE length(roles) = 2",
        "UPDATE blocks SET origins = 'typed,typed' WHERE length(roles) = 1",
    ],
    "each_turn_has_a_time": ["UPDATE blocks SET times = substr(times, 2)"],
    "each_turn_has_a_number": ["UPDATE blocks SET seqs = '\\x00'"],
    "each_turn_has_a_place_for_its_host": ["UPDATE blocks SET hosts = '\\x00'"],
    "each_turn_has_a_size": ["UPDATE blocks SET sizes = substr(sizes, 2)"],
    "a_block_is_in_one_place": [
        "UPDATE blocks SET sealed = NULL",
        "UPDATE blocks SET sizes = NULL",
        "UPDATE blocks SET (object_id, object_offset, object_length) = (gen_random_uuid(), 0, 1)",
    ],
    "a_place_in_an_object_is_whole": [
        "UPDATE blocks SET (sealed, object_id) = (NULL, gen_random_uuid())",
        "UPDATE blocks SET object_length = 1",
    ],
    "score_is_a_share": ["UPDATE flags SET score = 1.5"],
    "check_is_known": [
        "UPDATE feedback SET check_name = 'vibes', share = 'rating', key_slot = NULL"
    ],
    "a_check_shares_nothing": ["UPDATE feedback SET check_name = 'tests'"],
    "a_score_is_of_a_check": ["UPDATE feedback SET score = 1"],
    "rating_is_known": ["UPDATE feedback SET rating = 'meh'"],
    "share_is_known": ["UPDATE feedback SET share = 'everything'"],
    "a_grant_of_feedback_is_whole": ["UPDATE feedback SET grant_narrowing = NULL"],
    "no_feedback_is_granted_kept_out": ["UPDATE feedback SET narrowed = true"],
    "feedback_erased_has_no_key": ["UPDATE feedback SET erased_at = now()"],
    "a_run_is_whole": [
        "INSERT INTO release_runs VALUES (gen_random_uuid(), gen_random_uuid(), 0, '', '{}', '{}')"
    ],
    "place_is_known": ["UPDATE copies SET place = 'elsewhere'"],
    "bucket_in_range": ["INSERT INTO buckets VALUES (65536, 1, '')"],
    "policy_hash_is_sha256": ["UPDATE policies SET sha256 = 'short'"],
    "release_name_is_a_name": [
        "INSERT INTO releases (release_id, name, purpose, state, version, pinned, begun_at)"
        " VALUES (gen_random_uuid(), 'For Ana', 'p', 'building', 0, 0, now())"
    ],
    "feedback_taken_back_is_over": [
        "UPDATE feedback SET taken_back_at = given_at, keep_until = given_at + interval '1 day'"
    ],
    "sealed_is_whole": [
        "INSERT INTO releases (release_id, name, purpose, state, version, pinned, begun_at)"
        " VALUES (gen_random_uuid(), 'r', 'p', 'sealed', 0, 0, now())"
    ],
}


@pytest.fixture
def lived(pool: Pool, keyring: Keyring) -> Pool:
    """A row in every table of the vault. Ana allowed all, Ben a project of his and nothing else."""
    with transaction(pool) as tx:
        town = Town(tx, keyring)
        ben = town.account("ben", allow=False)
        town.say(ben, "his", "t1", host_project=hashed("project"), project_title=words("project"))
        scope = do.ChosenScope(host_project=hashed("project"))
        town.take(do.Choose(account=ben, at=SAID, allow=True, scope=scope))
        town.say(ben, "his", "t2")
        said = town.say(town.account())
        town.give(said)
        town.about(said, do.Flag, score=0.5)
        town.about(said, do.Hold, matter="m")
    return pool


@pytest.mark.parametrize(
    ("rule", "statement"), [(r, s) for r, each in BROKEN.items() for s in each]
)
def test_a_broken_invariant_is_refused_by_its_name(lived: Pool, rule: str, statement: str) -> None:
    with pytest.raises(StatementError) as caught, transaction(lived) as tx:
        tx.execute(statement)
    assert (caught.value.sqlstate, caught.value.constraint) == ("23514", rule)


@pytest.mark.parametrize(
    ("rule", "statement"),
    [
        (
            "holds_account_id_conversation_id_fkey",
            "UPDATE holds SET conversation_id = gen_random_uuid()",
        ),
        (
            "blocks_account_id_conversation_id_segment_fkey",
            "UPDATE blocks SET segment = 7 WHERE first_turn > 0",
        ),
        ("choices_version_fkey", "UPDATE choices SET version = 9"),
        ("segments_version_fkey", "UPDATE segments SET version = 9"),
        ("scoped_grants_account_id_question_fkey", "UPDATE scoped_grants SET question = 'weather'"),
        (
            "scoped_grants_account_id_project_id_fkey",
            "UPDATE scoped_grants SET project_id = gen_random_uuid()",
        ),
        (
            "scoped_grants_account_id_conversation_id_fkey",
            "UPDATE scoped_grants SET project_id = NULL, conversation_id = gen_random_uuid()",
        ),
        ("a_project_is_the_account_s", "UPDATE conversations SET project_id = gen_random_uuid()"),
        (
            "standings_account_id_fkey",
            "INSERT INTO standings VALUES (gen_random_uuid(), 'q', 'lapsed', NULL, true, NULL)",
        ),
        ("accounts_bucket_fkey", "UPDATE accounts SET bucket = (bucket + 1) % 1024"),
        ("journal_account_id_fkey", "UPDATE journal SET account_id = gen_random_uuid()"),
    ],
)
def test_a_row_without_what_it_belongs_to_is_refused(
    lived: Pool, rule: str, statement: str
) -> None:
    with pytest.raises(StatementError) as caught, transaction(lived) as tx:
        tx.execute(statement)
    assert (caught.value.sqlstate, caught.value.constraint) == ("23503", rule)


def test_a_scope_has_one_grant_a_question(lived: Pool) -> None:
    with pytest.raises(StatementError) as caught, transaction(lived) as tx:
        tx.execute(
            """INSERT INTO scoped_grants (account_id, grant_no, question, project_id, begun_at)
               SELECT account_id, grant_no + 1, question, project_id, begun_at FROM scoped_grants"""
        )
    assert (caught.value.sqlstate, caught.value.constraint) == ("23505", "one_grant_a_project")


TABLES = [
    "policies", "buckets", "accounts", "standings", "projects", "scoped_grants", "choices", "conversations", "segments",
    "blocks", "flags", "feedback", "copies",
]  # fmt: skip


def test_every_check_of_the_vaults_tables_is_tried(lived: Pool) -> None:
    with transaction(lived) as tx:
        rules = tx.execute(
            "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = "
            "ANY(%s::text[]::regclass[])",
            [TABLES],
        ).fetchall()
    assert {name for (name,) in rules} <= set(BROKEN)
    assert len(rules) > 20


NOBODY = new_account(OPENED)
ABOUT = {"account": NOBODY, "at": SAID, "conversation": NOBODY}
NO_COMMAND = [
    do.OpenAccount(account=NOBODY, at=SAID, host=b"h", plan="Ana's secret", age=1),
    do.OpenAccount(account=NOBODY, at=SAID, host=b"h", plan="free", age=151),
    do.OpenAccount(account=NOBODY, at=datetime(2025, 9, 1), host=b"h", plan="free", age=1),  # noqa: DTZ001 on purpose
    do.SetPlan(account=NOBODY, at=SAID, plan=""),
    do.SetPlan(account=NOBODY, at=SAID, plan="free\n"),
    do.SetPlan(account=NOBODY, at=SAID, plan="a" * 33),
    do.SetAge(account=NOBODY, at=SAID, age=-1),
    do.Choose(account=NOBODY, at=SAID, allow=True, age=1000),
    do.Choose(account=NOBODY, at=SAID, allow=True, via="Ana's secret"),
    do.Choose(account=NOBODY, at=SAID, allow=True, question="Ana's secret"),
    do.Choose(account=NOBODY, at=SAID, allow=False, scope=do.ChosenScope(project=NOBODY)),
    do.Choose(
        account=NOBODY,
        at=SAID,
        allow=True,
        scope=do.ChosenScope(project=NOBODY, conversation=NOBODY),
    ),
    do.Choose(account=NOBODY, at=SAID, allow=True, scope=do.ChosenScope()),
    do.Choose(account=NOBODY, at=SAID, allow=True, keep=(do.ChosenScope(project=NOBODY),)),
    do.Choose(account=NOBODY, at=SAID, allow=False, keep=(do.ChosenScope(project=NOBODY),) * 1_001),
    do.KeepProjectOut(account=NOBODY, at=SAID),
    do.LetProjectIn(account=NOBODY, at=SAID, project=NOBODY, host_project=b"h"),
    do.Choose(account=NOBODY, at=SAID, allow=True, evidence="Ana's secret \ud800"),
    do.Choose(account=NOBODY, at=SAID, allow=True, evidence="Ana's secret" * 10_000),
    do.AddTurn(account=NOBODY, at=SAID, content=None, surface="Ana's secret"),
    do.AddTurn(account=NOBODY, at=SAID, content=None, origin="Ana's secret"),
    do.Flag(**ABOUT, score=1.01),
    do.Flag(**ABOUT, score=float("nan")),
    do.Hold(**ABOUT, matter="Ana's secret \udfff"),
    do.GiveFeedback(**ABOUT, rating="Ana's secret", share=Share.rating),
    do.GiveFeedback(**ABOUT, rating="up", share=Share.rating, turn=-1),
]


@pytest.mark.parametrize("command", NO_COMMAND)
def test_what_no_table_takes_is_a_usage_error_that_quotes_nothing(
    pool: Pool, keyring: Keyring, command: object
) -> None:
    with pytest.raises(UsageError, match=r"^`[a-z]+` ") as caught, transaction(pool) as tx:
        apply(tx, keyring, POLICIES, [command])
    assert "secret" not in str(caught.value)


def test_what_names_nothing_that_is_there_is_answered_unknown(pool: Pool, keyring: Keyring) -> None:
    with transaction(pool) as tx:
        town = Town(tx, keyring)
        ana, ben = town.account("ana"), town.account("ben")
        said = town.say(ana)
        theirs = {"account": ben, "at": SAID, "conversation": said.conversation}
        nowhere = {"account": ben, "at": SAID, "conversation": NOBODY}
        answers = town.take(
            do.SetPlan(account=NOBODY, at=SAID, plan="pro"),
            do.AddTurn(account=NOBODY, at=SAID, host_conversation=hashed("c"), content=words("t")),
            do.AddTurn(**nowhere, content=words("t")),
            *(
                do.AddTurn(**theirs, content=words("t")),
                do.Delete(**theirs),
                do.Narrow(**theirs),
                do.Widen(**nowhere),
            ),
            *(
                do.Flag(**theirs),
                do.Unflag(**theirs),
                do.Hold(**theirs, matter="m"),
                do.Unhold(**nowhere, matter="m"),
            ),
            do.GiveFeedback(**theirs, rating="up", share=Share.conversation),
            do.GiveFeedback(
                account=ana,
                at=SAID,
                conversation=said.conversation,
                rating="up",
                share=Share.reply,
                turn=2,
            ),
        )
        assert {answer.outcome for answer in answers} == {do.Outcome.unknown}
        assert all(answer.conversation is None for answer in answers)
