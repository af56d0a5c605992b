"""Checks the town's promises against the vault's content."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import UUID

from licet import verifier
from licet.demo.people import Town, Townsperson
from licet.demo.stage import DemoPromise
from licet.erasure import sweeper
from licet.policy.decide import IMPROVE, SAFETY, Gate
from licet.policy.state import GrantStanding
from licet.proof import documents
from licet.release import catalog, registry
from licet.release.build_order import BuildResult
from licet.release.curation import LeftOut
from licet.store.connect import transaction
from licet.vault import account_view, integrity, verbs
from licet.vault.commands import AddTurn, Outcome
from licet.vault.installation import Installation, load_policies

PAGE_TURNS = 2_000
READ_BYTES = 1 << 22


def check_all(
    installation: Installation,
    town: Town,
    built: Sequence[BuildResult],
    copy: Path,
    withdrawn: Townsperson,
    planted: str,
) -> list[DemoPromise]:
    for world in town.worlds.values():
        world.advance(installation.clock())
    return [
        _decisions(installation, town),
        _no_act_no_use(installation, town),
        *(_release(installation, town, build) for build in built),
        _check_withdrawn(installation, withdrawn, copy),
        _gates(installation, town),
        _erased_is_gone(installation),
        _twice_is_once(installation, town),
        _decided_again(installation, built),
        _sealed_everywhere(installation, planted),
    ]


def _decisions(installation: Installation, town: Town) -> DemoPromise:
    """The vault and the bare rule agree on every turn and purpose."""
    known, now = load_policies(installation), installation.clock()
    decided = differ = 0
    with transaction(installation.pool) as tx:
        for page in _pages(list(town.said)):
            owners = {
                conversation: town.person(town.said[conversation, n][0]).id
                for conversation, n in page
            }
            views = account_view.load_views(tx, [(owners[c], c) for c in owners], known, now)
            turns = {c: account_view.list_turns(tx, owners[c], c) for c in owners}
            for conversation, number in page:
                account, name = town.said[conversation, number]
                turn = turns[conversation][number - 1]
                for purpose in (IMPROVE, SAFETY):
                    mine = views[conversation].decide(turn, known, purpose)
                    bare = town.worlds[account].decide(name, purpose, now)
                    decided += 1
                    differ += (mine.because, mine.until) != (bare.because, bare.until)
    text = "every turn has a dated answer, and the vault's is that of the bare rule"
    return DemoPromise(
        text=text, kept=differ == 0 < decided, seen=f"{decided:,} answers, {differ} differ"
    )


def _pages(keys: list[tuple[UUID, int]]) -> Iterator[list[tuple[UUID, int]]]:
    for start in range(0, len(keys), PAGE_TURNS):
        yield keys[start : start + PAGE_TURNS]


def _no_act_no_use(installation: Installation, town: Town) -> DemoPromise:
    """No content of an account without a yes may improve models."""
    now = installation.clock()
    never = [
        name
        for name, world in town.worlds.items()
        if world.accounts and world.accounts[name].granted == 0
    ]
    usable = sum(len(town.worlds[name].usable(IMPROVE, now)) for name in never)
    text = "nothing is usable without an act"
    return DemoPromise(
        text=text,
        kept=usable == 0 < len(never),
        seen=f"{len(never):,} never said yes, {usable} turns usable",
    )


def _release(installation: Installation, town: Town, built: BuildResult) -> DemoPromise:
    """A release contains exactly the turns that the rule permitted, and is unchanged since its
    seal.
    """
    counts, name = built.manifest.counts, built.manifest.name
    broken = catalog.verify_release(installation, name)
    expected = town.expected[name]
    curated = sum(counts.dropped.get(why.value, 0) for why in LeftOut)
    text = (
        f"release {name} holds exactly what might be used and is worth it, and is what was sealed"
    )
    outcome = (
        f"{counts.included:,} turns in and {curated:,} left out as duplicates and the like, "
        f"{expected:,} permitted by the rule, {len(broken)} contradictions"
    )
    kept = counts.included + curated == expected > 0 < counts.included and not broken
    return DemoPromise(text=text, kept=kept, seen=outcome)


def _check_withdrawn(installation: Installation, withdrawn: Townsperson, copy: Path) -> DemoPromise:
    """No row of a person who withdrew can be read, from the release or an earlier copy."""
    with transaction(installation.pool) as tx:
        october = registry.find(tx, "october")
        assert october is not None
        theirs = {
            row.ordinal
            for row in registry.rows_by_conversation(tx, october.release_id, [(withdrawn.id, None)])
        }
    out = [
        {row["ordinal"] for row in catalog.open_release(installation, name)}
        for name in ("october", str(copy))
    ]
    leaks = sum(len(theirs & ordinals) for ordinals in out)
    text = "rows of somebody who withdrew come out of no copy"
    outcome = f"{len(theirs)} rows, {leaks} came out of 2 copies, {len(out[0]):,} others did"
    return DemoPromise(
        text=text,
        kept=leaks == 0 < len(theirs) and len(out[0]) > 0 and out[0] == out[1],
        seen=outcome,
    )


def _gates(installation: Installation, town: Town) -> DemoPromise:
    """After the last day an undecided account cannot write; one with either answer can."""
    now = installation.clock()
    wrong = waiting = 0
    for name, world in town.worlds.items():
        account = world.accounts[name]
        answer = world.gate(name, now)
        stood = [account.standing(question) for question in world.policies.in_force(now).asks]
        undecided = account.closed_at is None and GrantStanding.undecided in stood
        waiting += undecided and answer is Gate.must_decide
        wrong += undecided and answer in (Gate.open, Gate.notice)
        wrong += {*stood} <= {
            GrantStanding.granted,
            GrantStanding.declined,
        } and answer is Gate.must_decide
    text = "after the last day nobody writes undecided, and nobody who answered waits"
    return DemoPromise(
        text=text, kept=wrong == 0 < waiting, seen=f"{waiting} wait for an answer, {wrong} wrong"
    )


def _erased_is_gone(installation: Installation) -> DemoPromise:
    """Erased content has neither key nor sealed bytes; after a sweep nothing is due."""
    sweeper.sweep(installation)
    with transaction(installation.pool) as tx:
        erased = integrity.segments_erased(tx)
        left = integrity.blocks_without_key(tx) + integrity.keys_without_block(tx)
    due = sweeper.sweep(installation, dry_run=True).segments
    text = "what was erased has neither a key nor a byte left"
    outcome = f"{erased:,} segments erased, {left} with something left, {due} still due"
    return DemoPromise(text=text, kept=left == 0 == due and erased > 0, seen=outcome)


def _twice_is_once(installation: Installation, town: Town) -> DemoPromise:
    """The newest turn, sent again, adds nothing."""

    (conversation, number), (account, name) = next(reversed(town.said.items()))
    again = AddTurn(
        account=town.person(account).id,
        at=installation.clock(),
        conversation=conversation,
        host_turn=town.host(installation, "turn", name),
        content=None,
    )
    answer = verbs.apply_commands(installation, [again])[0]
    kept = answer.outcome is Outcome.duplicate and answer.turn == number
    return DemoPromise(text="a turn sent twice is kept once", kept=kept, seen=answer.outcome.value)


def _decided_again(installation: Installation, built: Sequence[BuildResult]) -> DemoPromise:
    """A third party, with the log and without content, reaches the same decision on every row."""
    documents.append(installation)
    rows, broken = 0, 0
    for build in built:
        year = build.manifest.built_at.year
        log = verifier.FolderFiles(installation.config.data / "log" / str(year))
        trusted = verifier.trust(documents.key(installation, year).vkey)
        report = verifier.check_release(verifier.FolderFiles(build.folder), trusted, log)
        rows += report.size
        broken += 0 if report.ok else max(1, len(report.findings))
    text = "strangers decide every row again, from the log and without content"
    return DemoPromise(
        text=text,
        kept=broken == 0 < rows,
        seen=f"{rows:,} rows of {len(built)} releases, {broken} broken",
    )


def _sealed_everywhere(installation: Installation, planted: str) -> DemoPromise:
    """A planted sentence is nowhere in clear: not in tables, WAL, logs, releases or copies."""
    control = installation.config.data / "control.txt"
    control.write_text(f"where the search must find it: {planted}", encoding="utf-8")
    paths = sorted(p for p in installation.config.data.rglob("*") if p.is_file())
    holding = [path for path in paths if _holds(path, planted.encode())]
    control.unlink()
    text = "a sentence said in a chat lies nowhere in clear"
    searched = (
        f"tables, WAL, logs, releases and copies searched, more than {_below(len(paths)):,} files"
    )
    outcome = f"{searched}, found in {len(holding) - 1} but the control"
    return DemoPromise(text=text, kept=holding == [control], seen=outcome)


def _below(count: int) -> int:
    """Rounds down to a power of ten: a database's number of files varies between runs, and the
    output must not.
    """
    return int(10 ** (len(str(count)) - 1))


def _holds(path: Path, needle: bytes) -> bool:
    """Whether a file contains the needle; False for files that the database removes meanwhile."""
    tail = b""
    try:
        with path.open("rb") as file:
            while chunk := file.read(READ_BYTES):
                if needle in tail + chunk:
                    return True
                tail = chunk[-len(needle) :]
    except FileNotFoundError:
        return False
    return False
