"""One verb a use case: where siblings meet, and where the edge (the command, the web) finds everything it does.

A verb takes the installation and plain values, and returns a value that explains itself; it prints nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Self
from uuid import UUID

import msgspec

from licet.config import Config
from licet.consent import notice
from licet.curate import deidentify, rules
from licet.errors import NotFoundError, RefusedError, UsageError
from licet.intake import formats
from licet.intake.replay import Import, Imported, Recorded, RecordedChoice
from licet.policy.decide import MEANING, Because, Gate, gate
from licet.policy.file import Policies, Policy, preset_text
from licet.policy.file import load as load_policy
from licet.policy.state import Turn
from licet.release import manifest, registry
from licet.release import verify as release_files
from licet.release.build import Builder, Built, Order
from licet.release.live import DatabaseLeases
from licet.release.reader import Loaded, LoadedRow
from licet.release.reader import load as load_rows
from licet.release.registry import Release
from licet.store import migrate, migrations, pending
from licet.store.connect import Pool, Transaction, database, transaction
from licet.vault import apply, erase, plan, tables, view
from licet.vault import policies as versions
from licet.vault.commands import Answer, Command
from licet.vault.erase import Swept
from licet.vault.ids import Prefix, host_hmac, parse, parse_turn, shown, shown_turn
from licet.vault.keyring import Keyring
from licet.vault.keys import FileProvider
from licet.vault.plan import Plan

Clock = Callable[[], datetime]
DECIDE_DAYS = 30
ADVANCE_ACCOUNTS_MAX = 500


def utc_now() -> datetime:
    """The edge's clock."""
    return datetime.now(UTC)


class Installation(msgspec.Struct, frozen=True, kw_only=True):
    """An open installation: its database, its keys, its clock."""

    config: Config
    pool: Pool
    keyring: Keyring
    clock: Clock


@contextmanager
def installation(config: Config, clock: Clock = utc_now, *, upgrade: bool = False) -> Iterator[Installation]:
    """Opens what is configured, starting the embedded database where there is none.

    An empty or an embedded database is brought to the newest schema; one of your own that holds an older schema is
    refused unless ``upgrade`` is asked for, so that no command migrates it in passing.
    """
    with database(config) as pool:
        with pool.connection() as conn:
            todo = pending(conn)
            if todo and config.database_url and not upgrade and len(todo) < len(migrations()):
                raise RefusedError(
                    f"the database's schema is older: {len(todo)} migration(s) are to be made",
                    "back it up, then run `licet upgrade`",
                    because="older_schema",
                )
            migrate(conn)
        yield Installation(config=config, pool=pool, keyring=Keyring(FileProvider(config.keys)), clock=clock)


def policies(here: Installation) -> Policies:
    """The versions in force; RefusedError before the first is applied."""
    with transaction(here.pool) as tx:
        found = versions.load(tx)
    if found is None:
        raise RefusedError("no policy has been applied", "run `licet init` first", because="no_policy")
    return found


# Policy


def dated_preset(name: str, today: date) -> str:
    """The preset's text with dates of its own: effective today, thirty days to decide."""
    text = preset_text(name)
    decide_by = today + timedelta(days=DECIDE_DAYS)
    for key, value in (("version", f'"{today}"'), ("effective", str(today)), ("decide_by", str(decide_by))):
        text, count = re.subn(rf"(?m)^({key}: )(\S+)", rf"\g<1>{value}", text, count=1)
        assert count == 1, key
    return text


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """A policy that was applied, and where its file is."""

    file: Path
    policy: str
    version: str
    effective: datetime
    decide_by: date | None
    number: int


def init(here: Installation, *, preset: str = "strict", file: Path | None = None, by: str = "init") -> Begun:
    """Writes and applies the first policy; RefusedError where there is one already."""
    now = here.clock()
    with transaction(here.pool) as tx:
        if versions.load(tx) is not None:
            raise RefusedError("a policy has been applied already", "see `licet policy apply`", because="exists")
    target = here.config.data / "policy.yaml"
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # with a database of one's own nothing made it yet
    if file is None:
        target.write_text(dated_preset(preset, now.date()), encoding="utf-8")
        policy = load_policy(target)
    else:
        policy = load_policy(file)
        target.write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    return _begun(target, policy, apply_policy(here, policy, by=by))


def apply_policy(here: Installation, policy: Policy, *, by: str) -> int:
    """Adds a policy version, and publishes the notices that ship for it; returns its number."""
    with transaction(here.pool) as tx:
        number = versions.add(tx, policy, here.clock(), by)
        _publish(here, tx, notice.shipped(policy), None, by)
    return number


def publish_notices(
    here: Installation, sources: Sequence[str] | None = None, *, version: str | None = None, by: str
) -> list[notice.Published]:
    """Publishes notices, by default those that ship, for a policy version, by default the newest."""
    known = policies(here)
    if sources is None:
        sources = notice.shipped(notice.numbered(known, version))
        if not sources:
            raise UsageError("no notice ships for this policy", "name the files of your own: docs/notices.md shows how")
    with transaction(here.pool) as tx:
        return _publish(here, tx, sources, version, by)


def _publish(
    here: Installation, tx: Transaction, sources: Sequence[str], version: str | None, by: str
) -> list[notice.Published]:
    known = versions.load(tx)
    assert known is not None
    return notice.publish(tx, known, sources, version=version, at=here.clock(), by=by, random=here.keyring.random)


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """A plan that was drawn and kept, and the hash that `apply` looks it up by."""

    plan: Plan
    sha256: str


def plan_policy(here: Installation, file: Path, *, by: str) -> Planned:
    """Draws and keeps the plan of a policy file over the real population; changes nothing else."""
    policy, known, now = load_policy(file), policies(here), here.clock()
    with transaction(here.pool) as tx:
        drawn = plan.draw(tx, known, policy, now)
        plan.keep(tx, known, policy, drawn, now, by)
    return Planned(plan=drawn, sha256=policy.sha256().hex())


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    version: str
    effective: datetime
    sha256: str
    shortened: int


SHORTEN_ACCOUNTS_MAX = 500


def apply_planned(here: Installation, file: Path, *, by: str, shorten_stored: bool = False) -> Applied:
    """Applies a policy file that was planned; shortening what is stored is an act of its own, and repeatable."""
    policy, known, now = load_policy(file), policies(here), here.clock()
    number = len(known) - 1
    if policy != known[number]:
        with transaction(here.pool) as tx:
            number = plan.apply(tx, policy, now, by)
            _publish(here, tx, notice.shipped(policy), None, by)
        (here.config.data / "policy.yaml").write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    elif not shorten_stored:
        raise RefusedError(f"version `{policy.version}` is applied already", because="exists")
    return Applied(
        number=number, version=policy.version, effective=policy.effective, sha256=policy.sha256().hex(),
        shortened=_shorten(here, policy, now) if shorten_stored else 0,
    )  # fmt: skip


def _shorten(here: Installation, policy: Policy, now: datetime) -> int:
    """Brings stored segments nearer, page by page of accounts; returns how many."""
    total, after = 0, plan.FIRST
    while True:
        with transaction(here.pool) as tx:
            batch = plan.shorten_batch(tx, policy, now, after=after, limit=SHORTEN_ACCOUNTS_MAX)
        total += batch.segments
        if batch.last is None:
            return total
        after = batch.last


def _begun(file: Path, policy: Policy, number: int) -> Begun:
    return Begun(
        file=file,
        policy=policy.policy,
        version=policy.version,
        effective=policy.effective,
        decide_by=policy.decide_by,
        number=number,
    )


# Verbs of the vault


def tell(here: Installation, commands: Sequence[Command], *, replay: bool = False) -> list[Answer]:
    """Applies commands in one transaction; nothing is answered before the commit."""
    known = policies(here)
    with transaction(here.pool) as tx:
        return apply.apply(tx, here.keyring, known, commands, replay=replay)


def host_key(here: Installation) -> bytes:
    """The key under which the host's ids are hashed, for a caller with many of them."""
    with transaction(here.pool) as tx:
        return here.keyring.host_key(tx)


def conversations_of(here: Installation, host: str) -> list[str]:
    """The ids of an account's conversations, oldest first, by the host's own id of the account."""
    with transaction(here.pool) as tx:
        account = view.account_by_host(tx, host_hmac(here.keyring.host_key(tx), "account", host))
        rows = tx.execute(
            "SELECT conversation_id FROM conversations WHERE account_id = %s ORDER BY conversation_id", [account]
        ).fetchall()
    return [shown(Prefix.conversation, row[0]) for row in rows]


def advance(here: Installation) -> int:
    """Ends the grants that versions now effective do not allow; returns how many accounts it looked at."""
    known, at, total = policies(here), here.clock(), 0
    while True:
        with transaction(here.pool) as tx:
            count = apply.advance(tx, known, at, limit=ADVANCE_ACCOUNTS_MAX)
        total += count
        if count == 0:
            return total


def sweep(here: Installation, *, dry_run: bool = False, progress: Callable[[Swept], None] | None = None) -> Swept:
    """Erases what is due now, in bounded batches; a dry run counts it and touches nothing."""
    at = here.clock()
    if dry_run:
        with transaction(here.pool) as tx:
            return erase.due(tx, at)
    advance(here)
    total = Swept()
    while True:
        with transaction(here.pool) as tx:
            batch = erase.sweep_batch(tx, at)
        total = total.plus(batch)
        if progress is not None:
            progress(total)
        if not batch.more:
            return total


# Intake


def import_size(paths: Sequence[Path]) -> int:
    """How many bytes an import of these will read."""
    return sum(formats.size(path) for path in paths)


def import_files(
    here: Installation, paths: Sequence[Path], *, recorded: Sequence[Recorded] = (),
    choices: Sequence[RecordedChoice] = (), default: Recorded | None = None, host: str = "",
    surface: str | None = None, assume_at: datetime | None = None, read_progress: Callable[[int], None] | None = None,
    store_progress: Callable[[int], None] = lambda _turns: None,
) -> Imported:  # fmt: skip
    """Brings recorded history in; see `intake.replay`."""
    spools = here.config.data / "spool"
    spools.mkdir(mode=0o700, exist_ok=True)
    bringing = Import(
        here.pool, here.keyring, policies(here), here.clock(), recorded=recorded, choices=choices, default=default,
        host=host, surface=surface, folder=spools, assume_at=assume_at,
    )  # fmt: skip
    with closing(bringing):
        for path in paths:
            bringing.read(formats.read(path, read_progress))
        return bringing.store(store_progress)


# Releases


class RuleCleaner:
    """The structured layer of de-identification, as a release needs it."""

    @property
    def rules(self) -> str:
        return "licet-rules"

    @property
    def sha256(self) -> str:
        return rules.ours().sha256

    def clean(self, texts: Sequence[str], key: bytes) -> tuple[Sequence[str], Mapping[str, int]]:
        cleaned = deidentify.deidentify(texts, key)
        return cleaned.texts, {kind.value: count for kind, count in cleaned.counts.items()}


def build_release(
    here: Installation, *, name: str, purpose: str, folder: Path | None = None,
    progress: Callable[[int], None] = lambda _turns: None,
) -> Built:  # fmt: skip
    """Builds and seals a release into ``folder``, by default beside the others of the installation."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,63}", name):
        raise UsageError(f"`{name}` is not a name for a release", "use lower-case letters, digits, `-`, `_` and `.`")
    builder = Builder(here.pool, here.keyring, policies(here), RuleCleaner(), here.clock, progress)
    order = Order(
        name=name, purpose=purpose, folder=folder or here.config.releases / name, software=installed_version("licet")
    )
    return builder.run(order)


def releases(here: Installation) -> list[Release]:
    with transaction(here.pool) as tx:
        return registry.every(tx)


class ReleaseSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A release as its folder says it is, and as the database knows it."""

    folder: Path
    manifest: manifest.Manifest
    state: str
    rows_usable_now: int


def find_release(here: Installation, name: str) -> tuple[Path, Release]:
    """The folder and the record of a release, by its name or by any folder that holds a copy of it."""
    own = here.config.releases / name
    folder = own if own.is_dir() and "/" not in name else Path(name)
    with transaction(here.pool) as tx:
        if folder.is_dir():
            promised, _ = manifest.read(folder)
            return folder, registry.get(tx, UUID(hex=promised.release))
        known = registry.find(tx, name)
    if known is None:
        raise NotFoundError(f"no release `{name}`", "`licet status` lists the releases")
    raise NotFoundError(f"the folder of release `{name}` is not at `{own}`", "name the folder instead")


def show_release(here: Installation, name: str) -> ReleaseSeen:
    """A release, and how many of its rows may be used now."""
    folder, known = find_release(here, name)
    promised, _ = manifest.read(folder)
    usable = 0
    if known.state == "sealed":
        leases = DatabaseLeases(here.pool, here.keyring, here.clock)
        for part in promised.parts:
            ordinals = range(part.first_ordinal, part.first_ordinal + _span(promised, part.first_ordinal))
            for start in range(0, len(ordinals), LEASED_ROWS_MAX):
                asked = ordinals[start : start + LEASED_ROWS_MAX]
                usable += len(leases.lease(promised.release_id, part.number, asked).keys)
    return ReleaseSeen(folder=folder, manifest=promised, state=known.state, rows_usable_now=usable)


LEASED_ROWS_MAX = 2_000


def _span(promised: manifest.Manifest, first: int) -> int:
    """How many ordinals a part may hold: up to the next part's first, or a whole part for the last."""
    later = [part.first_ordinal for part in promised.parts if part.first_ordinal > first]
    return min(later) - first if later else 50_000


def verify_release(here: Installation, name: str) -> list[release_files.Contradiction]:
    """Every contradiction between a release's folder and what was sealed."""
    folder, known = find_release(here, name)
    sealed = known.manifest_sha256.hex() if known.manifest_sha256 else ""
    if known.state != "sealed":
        raise RefusedError(f"release `{known.name}` was never sealed", "build it again", because="not_sealed")
    return release_files.verify(folder, manifest_sha256=sealed)


class Loading(Iterator[LoadedRow]):
    """The rows of a release that may be used now, in order; closes its installation when it ends."""

    def __init__(self, rows: Loaded, closing: ExitStack) -> None:
        self._rows, self._closing = rows, closing

    def __next__(self) -> LoadedRow:
        try:
            return next(self._rows)
        except BaseException:
            self.close()
            raise

    @property
    def yielded(self) -> int:
        return self._rows.yielded

    @property
    def withheld(self) -> int:
        return self._rows.withheld

    @property
    def complete(self) -> bool:
        return self._rows.complete

    def close(self) -> None:
        self._closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def load(
    release: str | Path, *, data: Path | None = None, config: Config | None = None, clock: Clock = utc_now
) -> Loading:
    """The rows of ``release``, a name or a folder, that may be used now: ``{"messages": [...], ...}`` one by one.

    ``data`` is the installation's folder, by default that of the environment. Each row is decided anew as it is
    read; one that was withdrawn, deleted or has expired does not come out, from any copy of the files.
    """
    import os  # the environment is read here, at an edge, and nowhere below

    with ExitStack() as stack:
        here = stack.enter_context(installation(config or Config.of(os.environ, data), clock))
        rows = open_release(here, str(release))
        return Loading(rows, stack.pop_all())


def open_release(here: Installation, name: str) -> Loaded:
    """The rows of a release under an open installation."""
    folder, known = find_release(here, name)
    sealed = known.manifest_sha256.hex() if known.manifest_sha256 else ""
    return load_rows(folder, DatabaseLeases(here.pool, here.keyring, here.clock), at=here.clock, manifest_sha256=sealed)


# Asking


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for some turns of a conversation, for one purpose. ``turns`` counts them; ids show the first."""

    turn: str
    turns: int
    role: str
    origin: str
    purpose: str
    use: bool
    because: Because
    meaning: str
    until: datetime | None
    policy: str
    policy_in_force: str


class ChoiceSeen(msgspec.Struct, frozen=True, kw_only=True):
    at: datetime
    allow: bool
    effect: str
    grant: int | None
    via: str
    policy: str


class ConversationSeen(msgspec.Struct, frozen=True, kw_only=True):
    """Why a conversation, or one turn of it, may or may not be used, and how long it is kept."""

    conversation: str
    account: str
    kind: str
    incognito: bool
    kept_out: bool
    deleted_at: datetime | None
    held: bool
    keep_until: datetime | None
    safety_until: datetime | None
    erased: bool
    answers: tuple[Said, ...]
    choice: ChoiceSeen | None
    releases: tuple[str, ...]


class AccountSeen(msgspec.Struct, frozen=True, kw_only=True):
    account: str
    plan: str
    age_known: bool
    opened_at: datetime
    closed_at: datetime | None
    standing: str
    gate: Gate
    answered: str | None
    choices: tuple[ChoiceSeen, ...]
    conversations: int
    turns: dict[str, dict[str, int]]


def explain(here: Installation, name: str) -> ConversationSeen | AccountSeen:
    """The answer, the reason, until when, and the choice and policy version behind it; NotFoundError."""
    known = policies(here)
    with transaction(here.pool) as tx:
        if name.startswith("turn_"):
            conversation, number = parse_turn(name)
            return _explain_conversation(here, tx, known, conversation, number)
        if name.startswith("conv_"):
            return _explain_conversation(here, tx, known, parse(Prefix.conversation, name), None)
        if name.startswith("acc_"):
            return _explain_account(here, tx, known, parse(Prefix.account, name))
        account = view.account_by_host(tx, host_hmac(here.keyring.host_key(tx), "account", name))
        if account is None:
            raise NotFoundError(
                f"no account, conversation or turn `{name}`",
                "ids begin with acc_, conv_ or turn_; an account may also be named by the host's own id",
            )
        return _explain_account(here, tx, known, account)


def _explain_conversation(
    here: Installation, tx: Transaction, known: Policies, conversation: UUID, number: int | None
) -> ConversationSeen:
    account = view.owner(tx, conversation)
    if account is None:
        raise NotFoundError(f"no conversation `{shown(Prefix.conversation, conversation)}`")
    seen = view.seen(tx, [(account, conversation)], known, here.clock())[conversation]
    turns = view.turns(tx, account, conversation)
    asked = [turn for turn in turns if number is None or turn.number == number]
    if not asked:
        raise NotFoundError(f"no turn `{shown_turn(conversation, number or 0)}`")
    row = seen.conversation
    return ConversationSeen(
        conversation=shown(Prefix.conversation, conversation),
        account=shown(Prefix.account, account),
        kind=row.state.kind.value,
        incognito=row.state.incognito,
        kept_out=row.state.narrowed,
        deleted_at=row.state.deleted_at,
        held=bool(row.state.holds),
        keep_until=seen.turns.keep_until,
        safety_until=seen.turns.safety_until,
        erased=all(keys.erased for keys in row.keys),
        answers=tuple(_answers(seen, asked, known, conversation)),
        choice=_choice_behind(tx, account, known),
        releases=tuple(_releases_holding(tx, account, conversation)),
    )


def _answers(seen: view.Seen, turns: Sequence[Turn], known: Policies, conversation: UUID) -> Iterator[Said]:
    """One answer for each run of turns that have the same, for each purpose."""
    for purpose in sorted(known.in_force(seen.at).covers):
        last: Said | None = None
        for turn in turns:
            decision = seen.decide(turn, known, purpose)
            said = Said(
                turn=shown_turn(conversation, turn.number), turns=1, role=turn.role.value, origin=turn.origin,
                purpose=purpose, use=decision.use, because=decision.because, meaning=MEANING[decision.because],
                until=decision.until, policy=known[decision.taken].version,
                policy_in_force=known[decision.in_force].version,
            )  # fmt: skip
            if last is not None and _alike(last, said):
                last = msgspec.structs.replace(last, turns=last.turns + 1)
                continue
            if last is not None:
                yield last
            last = said
        if last is not None:
            yield last


def _alike(one: Said, other: Said) -> bool:
    return (one.because, one.until, one.policy) == (other.because, other.until, other.policy)


_CHOICES = """SELECT c.occurred_at, c.allow, c.effect, c.grant_no, c.via, p.version FROM choices c
    JOIN policies p ON p.number = c.version WHERE c.account_id = %s"""


def _choices(tx: Transaction, account: UUID, rest: str) -> list[ChoiceSeen]:
    rows = tx.execute(f"{_CHOICES} {rest}", [account]).fetchall()
    return [
        ChoiceSeen(at=at, allow=allow, effect=effect, grant=grant, via=via, policy=policy)
        for at, allow, effect, grant, via, policy in rows
    ]


def _choice_behind(tx: Transaction, account: UUID, known: Policies) -> ChoiceSeen | None:
    """The newest choice that had an effect."""
    found = _choices(tx, account, "AND c.effect <> 'none' ORDER BY c.seq DESC LIMIT 1")
    return found[0] if found else None


def _releases_holding(tx: Transaction, account: UUID, conversation: UUID) -> list[str]:
    rows = tx.execute(
        """SELECT DISTINCT r.name FROM release_rows x JOIN releases r USING (release_id)
            WHERE x.account_id = %s AND x.conversation_id = %s AND r.state = 'sealed' ORDER BY 1""",
        [account, conversation],
    )
    return [row[0] for row in rows]


EXPLAINED_CONVERSATIONS_MAX = 10_000


def _explain_account(here: Installation, tx: Transaction, known: Policies, account: UUID) -> AccountSeen:
    at = here.clock()
    row = view.accounts(tx, [account]).get(account)
    if row is None:
        raise NotFoundError(f"no account `{shown(Prefix.account, account)}`")
    state = view.brought(row, known, at).account
    ids = tx.execute(
        "SELECT conversation_id FROM conversations WHERE account_id = %s ORDER BY conversation_id LIMIT %s",
        [account, EXPLAINED_CONVERSATIONS_MAX],
    ).fetchall()
    seen = view.seen(tx, [(account, row[0]) for row in ids], known, at)
    reasons: dict[str, Counter[str]] = {purpose: Counter() for purpose in sorted(known.in_force(at).covers)}
    for conversation, here_seen in seen.items():
        for turn in view.turns(tx, account, conversation):
            for purpose, counter in reasons.items():
                counter[here_seen.decide(turn, known, purpose).because.value] += 1
    return AccountSeen(
        account=shown(Prefix.account, account),
        plan=state.plan,
        age_known=state.age is not None,
        opened_at=state.opened_at,
        closed_at=state.closed_at,
        standing=state.standing.value,
        gate=gate(state, known, at),
        answered=known[state.answered].version if state.answered is not None else None,
        choices=tuple(_choices(tx, account, "ORDER BY c.seq")),
        conversations=len(ids),
        turns={purpose: dict(counter) for purpose, counter in reasons.items()},
    )


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The population and what is to come. Counts are of accounts, conversations and turns as named."""

    at: datetime
    policy: str
    version: str
    accounts: int
    plans: dict[str, int]
    gates: dict[str, int]
    standings: dict[str, int]
    conversations: int
    turns_kept: int
    bytes_kept: int
    expires: dict[str, int]
    overdue: int
    held: int
    flagged: int
    releases: tuple[Release, ...]


_HORIZONS = (("7 days", 7), ("30 days", 30), ("a year", 365), ("5 years", 1826), ("later", 10**6))


_KEPT = "SELECT count(*) FROM bodies WHERE turn > 0"


def turns_kept(here: Installation) -> int:
    """How many turns have content here."""
    with transaction(here.pool) as tx:
        return _count(tx, _KEPT)


def status(here: Installation) -> Status:
    """Population, gates, what expires when, and the releases."""
    known, at = policies(here), here.clock()
    plans: Counter[str] = Counter()
    gates: Counter[str] = Counter()
    standings: Counter[str] = Counter()
    with transaction(here.pool) as tx:
        with tx.cursor(name="status") as cursor:
            cursor.itersize = 5_000
            for row in cursor.execute(f"SELECT {tables.ACCOUNT_COLUMNS} FROM accounts"):
                account = view.brought(tables.read_account(row), known, at).account
                plans[account.plan] += 1
                standings["closed" if account.closed_at else account.standing.value] += 1
                gates[gate(account, known, at).value] += 1
        return Status(
            at=at,
            policy=known.in_force(at).policy,
            version=known.in_force(at).version,
            accounts=plans.total(),
            plans=dict(plans.most_common()),
            gates=dict(gates.most_common()),
            standings=dict(standings.most_common()),
            conversations=_count(tx, "SELECT count(*) FROM conversations"),
            turns_kept=_count(tx, _KEPT),
            bytes_kept=_count(tx, "SELECT coalesce(sum(octet_length(sealed)), 0) FROM bodies"),
            expires=_expires(tx, at),
            overdue=_count(
                tx,
                """SELECT count(*) FROM segments s WHERE erased_at IS NULL AND keep_until <= %s AND NOT EXISTS (
                       SELECT FROM holds h WHERE h.account_id = s.account_id
                          AND h.conversation_id = s.conversation_id)""",
                at,
            ),
            held=_count(tx, "SELECT count(DISTINCT (account_id, conversation_id)) FROM holds"),
            flagged=_count(tx, "SELECT count(*) FROM conversations WHERE safety_until > %s", at),
            releases=tuple(registry.every(tx)),
        )


def _count(tx: Transaction, statement: str, *params: object) -> int:
    row = tx.execute(statement, params or None).fetchone()
    return int(row[0]) if row else 0


def _expires(tx: Transaction, at: datetime) -> dict[str, int]:
    """Turns by when their time ends, in horizons from ``at``, each apart from the nearer ones."""
    result: dict[str, int] = {}
    since: datetime | None = None
    for name, days in _HORIZONS:
        until = at + timedelta(days=min(days, 365 * 1000))
        result[name] = _count(
            tx,
            """SELECT coalesce(sum(last_turn - first_turn + 1), 0) FROM segments
                WHERE erased_at IS NULL AND keep_until <= %s AND (%s::timestamptz IS NULL OR keep_until > %s)""",
            until, since, since,
        )  # fmt: skip
        since = until
    return {name: count for name, count in result.items() if count}


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """Sealed bytes still kept at each moment if nobody says anything more. ``short`` is what goes within 30 days."""

    moments: tuple[datetime, ...]
    kept: tuple[int, ...]
    short: tuple[int, ...]


def forecast(here: Installation, *, months: int = 63) -> Forecast:
    """How much of what is stored now will still be there, month by month."""
    at = here.clock()
    moments = [at + timedelta(days=round(30.4375 * month)) for month in range(months + 1)]
    with transaction(here.pool) as tx:
        rows = tx.execute(
            """SELECT s.keep_until, sum(octet_length(b.sealed)), bool_or(s.keep_until > s.last_at + interval '1 year')
                 FROM bodies b JOIN segments s USING (account_id, conversation_id, segment)
                GROUP BY s.keep_until"""
        ).fetchall()
    kept = [sum(int(size) for until, size, _ in rows if until > moment) for moment in moments]
    short = [sum(int(size) for until, size, long in rows if until > moment and not long) for moment in moments]
    return Forecast(moments=tuple(moments), kept=tuple(kept), short=tuple(short))
