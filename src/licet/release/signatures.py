"""Review and sign-off of releases by staff.

Each row that a reader opens is recorded with the reason `release_review`, visible to its person.
The findings are stated beside the sealed manifest, signed with the log's key. Signing first
verifies the whole folder: a release that fails a check or has an open sample cannot be signed. It
is signed off when `SIGNATURES_NEEDED` addresses of staff have signed its newest statement. Only two
identities of the identity provider (`access.identities`) confirm that they are two people; an
installation may require that.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import msgspec

from licet.access import identities, sessions
from licet.errors import DeniedError, NotFoundError, RefusedError, UsageError
from licet.ledger.jws import sign as signed
from licet.release import (
    card,
    manifest,
    measurement,
    purge,
    purge_rows,
    release_store,
    review,
    sample,
)
from licet.release.catalog import find_release, log_key, verify_release
from licet.release.measurement import MeasurementStatement
from licet.release.review import DrawnBy, LeakBound, ReviewFinding, ReviewStatement, StatedReview
from licet.release.rows import MessageShape
from licet.release.sample import ReleaseCopy, Review, ReviewSignature, SampleRow, UnsignedRelease
from licet.store.connect import Transaction, transaction
from licet.vault.ids import staff_address
from licet.vault.installation import Installation, load_policies
from licet.vault.staff_reads import ReaderRole

CHANCE_ROWS, RISK_ROWS = 100, 20
SAMPLE_ROWS_MAX = 10_000
SIGNATURES_NEEDED = 2
READERS = frozenset({"reviewer", "privacy_officer"})
SIGNERS = frozenset({"owner", "privacy_officer", "curator"})


class StaffMember(msgspec.Struct, frozen=True, kw_only=True):
    """The acting member of staff, their roles, and the channel: `console`, with sign-in, or `cli`.

    ``identity``: of the identity provider (`access.identities`); None with a link and on the
    command line.
    """

    staff_id: UUID
    email: str
    roles: frozenset[str]
    via: str
    identity: bytes | None = None


class Disagreement(msgspec.Struct, frozen=True, kw_only=True):
    """A row with two different findings."""

    row: int
    first: ReviewFinding
    second: ReviewFinding


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """The agreement of two readers over ``rows``; in ``rows_confirmed`` they are two identities of
    the identity provider. ``alpha``: Krippendorff's, of whether a row has any finding; None if all
    findings are equal.
    """

    rows: int
    rows_confirmed: int
    alpha: float | None
    apart: tuple[Disagreement, ...]


class SampleSeen(msgspec.Struct, frozen=True, kw_only=True):
    """The state of an open sample: rows drawn, rows with a finding, and rows left.

    ``bound``: of the rows drawn by chance; unread are those not yet read or out of reach.
    """

    drawn: int
    done: int
    left: int
    bound: LeakBound
    agreement: Agreement


class ReleaseStanding(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a release since its seal. ``statement``: of the newest closed sample; ``says``:
    its bound as text; ``rows_dead``: rows to be purged, None if not counted.
    ``measurement`` is the newest.
    ``second_identity``: two identities of the identity provider are among those who signed.
    """

    release: str
    folder: Path
    state: str
    rows: int
    looked_for_names: bool
    rows_purged: int
    rows_dead: int | None
    sample: SampleSeen | None
    statement: ReviewStatement | None
    statement_sha256: str | None
    says: str | None
    measurement: MeasurementStatement | None
    signatures: tuple[ReviewSignature, ...]
    signatures_needed: int
    second_identity: bool
    signed_off: bool


class RowShown(msgspec.Struct, frozen=True, kw_only=True):
    """A row opened for a reader; how many of the rows ``drawn`` are left, this one included."""

    ordinal: int
    left: int
    drawn: int
    messages: list[MessageShape]

    def __repr__(self) -> str:
        return f"RowShown({self.ordinal}, sealed, {len(self.messages)} messages)"


def find_member(installation: Installation, email: str) -> StaffMember:
    """A member of staff by address; NotFoundError."""
    with transaction(installation.pool) as tx:
        known = sessions.find_staff(tx, email)
    if known is None:
        raise NotFoundError(f"no member of staff `{email}`", "`licet staff add` adds one")
    staff, roles = known
    return StaffMember(
        staff_id=staff, email=staff_address(email), roles=frozenset(roles), via="cli"
    )


def find_copy(installation: Installation, name: str) -> ReleaseCopy:
    """A sealed release with its folder; RefusedError for another one."""
    folder, known = find_release(installation, name)
    promised, sha256 = manifest.read_manifest(folder)
    if known.state != "sealed" or known.manifest_sha256 is None:
        raise RefusedError(
            f"release `{known.name}` was never sealed", "build it again", because="not_sealed"
        )
    if known.manifest_sha256.hex() != sha256:
        raise RefusedError(
            f"the manifest in `{folder}` is not the one that was sealed", because="not_sealed"
        )
    return ReleaseCopy(
        known=known,
        folder=folder,
        manifest=promised,
        chain=purge.read_chain(folder, promised, sha256, log_key(installation)),
    )


def list_unsigned(tx: Transaction, limit: int, *, identities: bool) -> list[UnsignedRelease]:
    """The newest ``limit`` sealed releases that are not signed off; ``identities`` as in
    `sample.list_unsigned`.
    """
    return sample.list_unsigned(tx, SIGNATURES_NEEDED, limit, identities=identities)


# Reviewing


def draw(
    installation: Installation, name: str, *, chance: int = CHANCE_ROWS, by_risk: int = RISK_ROWS
) -> ReleaseStanding:
    """Draws a sample; RefusedError while one of the release is open."""
    if not (1 <= chance <= SAMPLE_ROWS_MAX and 0 <= by_risk <= SAMPLE_ROWS_MAX):
        raise UsageError(
            f"a sample has from 1 to {SAMPLE_ROWS_MAX} rows by chance, and as many by risk at most"
        )
    of, known = find_copy(installation, name), load_policies(installation)
    with transaction(installation.pool) as tx:
        sample.lock(tx, of.known.release_id)
        if sample.newest(tx, of.known.release_id, closed=False) is not None:
            raise RefusedError(
                f"a sample of release `{of.known.name}` is open",
                "finish reading it first",
                because="exists",
            )
        sample.draw(
            tx,
            installation.keyring,
            of,
            known,
            installation.clock(),
            chance=chance,
            by_risk=by_risk,
        )
    return get_standing(installation, name)


def read_next(
    installation: Installation, name: str, reader: StaffMember, *, second: bool = False
) -> RowShown | None:
    """Opens and records a reader's next row of the open sample; None if none is left.

    ``second``: the next row judged once, by another reader, whose finding is not shown.
    """
    role = reader_role(reader)
    if second:
        identities.check(installation.config.web, reader.identity)
    of, known = find_copy(installation, name), load_policies(installation)
    with transaction(installation.pool) as tx:
        drawn = _open(tx, of)
        read = sample.read_next(
            tx,
            installation.keyring,
            of,
            drawn,
            known,
            installation.clock(),
            staff=reader.staff_id,
            identity=reader.identity,
            role=role,
            random=installation.keyring.random,
            second=second,
        )
        rows = sample.list_rows(tx, drawn)
    left = seconds_left(rows, reader) if second else sum(row.finding is None for row in rows)
    return (
        RowShown(ordinal=read.ordinal, left=left, drawn=len(rows), messages=read.payload.messages)
        if read
        else None
    )


def seconds_left(rows: Sequence[SampleRow], reader: StaffMember) -> int:
    """The number of rows that ``reader`` may judge as second reader."""
    away = (None, ReviewFinding.out_of_reach)
    return sum(
        row.finding not in away
        and row.staff != reader.staff_id
        and (row.identity is None or row.identity != reader.identity)
        and row.second is None
        and row.second_staff in (None, reader.staff_id)
        for row in rows
    )


def rows_for_second(installation: Installation, name: str, reader: StaffMember) -> int:
    """The rows of the open sample that ``reader`` may judge as second; 0 without a sample."""
    of = find_copy(installation, name)
    with transaction(installation.pool) as tx:
        drawn = sample.newest(tx, of.known.release_id, closed=False)
        return seconds_left(sample.list_rows(tx, drawn), reader) if drawn is not None else 0


def undo(
    installation: Installation, name: str, reader: StaffMember, *, second: bool = False
) -> int:
    """Undoes a reader's newest finding; returns its row, which is their next. RefusedError without
    one.
    """
    reader_role(reader)
    of = find_copy(installation, name)
    with transaction(installation.pool) as tx:
        row = sample.undo(tx, _open(tx, of), reader.staff_id, second=second)
    if row is None:
        raise RefusedError("there is no finding of yours to take back", because="nothing")
    return row


def record_finding(
    installation: Installation,
    name: str,
    reader: StaffMember,
    ordinal: int,
    finding: ReviewFinding,
    *,
    second: bool = False,
) -> SampleSeen:
    """Records a finding in the row that the reader opened last; RefusedError for any other row."""
    reader_role(reader)
    if finding is ReviewFinding.out_of_reach:
        raise UsageError("a reader cannot record the finding `out_of_reach`")
    of = find_copy(installation, name)
    with transaction(installation.pool) as tx:
        drawn = _open(tx, of)
        if not sample.record_finding(tx, drawn, ordinal, finding, reader.staff_id, second=second):
            raise RefusedError(
                f"row `{ordinal}` is not the one that `{reader.email}` opened last",
                "open it first",
                because="not_read",
            )
        return _sample_view(tx, drawn)


def close(installation: Installation, name: str) -> ReleaseStanding:
    """Closes the open sample and writes its signed statement beside the manifest; without an open
    one, writes the newest statement again.
    """
    of = find_copy(installation, name)
    with transaction(installation.pool) as tx:
        sample.lock(tx, of.known.release_id)
        drawn = sample.newest(tx, of.known.release_id, closed=False)
        if drawn is not None:
            _state(installation, tx, of, drawn)
    # after the commit, so that no file exists without its database row
    with transaction(installation.pool) as tx:
        sample.lock(tx, of.known.release_id)
        newest = sample.newest(tx, of.known.release_id, closed=True)
        if newest is None or newest.stated is None:
            raise NotFoundError(
                f"no sample of release `{of.known.name}` was drawn", "`licet review` draws one"
            )
        stated = review.SIGNED.decode(review.SIGNED.encode(newest.stated))
        with release_store.publish_changes(installation, of.known, of.folder):
            review.SIGNED.write(of.folder, stated.jws)
            card.rewrite(of.folder)
    return get_standing(installation, name)


def _state(installation: Installation, tx: Transaction, copy: ReleaseCopy, drawn: Review) -> None:
    rows, at = sample.list_rows(tx, drawn), max(installation.clock(), drawn.drawn_at)
    results = [(row.drawn_by, row.stated) for row in rows if row.stated is not None]
    if left := len(rows) - len(results):
        raise RefusedError(
            f"`{left}` rows of the sample have no finding yet", "read them first", because="open"
        )
    readers = len({staff for row in rows for staff in _readers_of(row)} - {None})
    statement = review.build_statement(
        release=copy.manifest.release,
        manifest_sha256=drawn.manifest_sha256.hex(),
        review=drawn.review_id.hex,
        drawn_at=drawn.drawn_at,
        closed_at=at,
        rows=results,
        readers=readers,
    )
    jws = signed(statement.payload(), installation.keyring.log_seed(tx), review.SIGNED.typ)
    sample.close(tx, drawn, StatedReview(statement=statement, jws=jws), at)


def reader_role(reader: StaffMember) -> ReaderRole:
    """The role in which ``reader`` reads rows; DeniedError without one."""
    if not reader.roles & READERS:
        raise DeniedError(
            f"`{reader.email}` may not read rows",
            f"readers have the role {' or '.join(sorted(READERS))}",
        )
    return ReaderRole.privacy_officer if "privacy_officer" in reader.roles else ReaderRole.reviewer


def _open(tx: Transaction, copy: ReleaseCopy) -> Review:
    drawn = sample.newest(tx, copy.known.release_id, closed=False)
    if drawn is None:
        hint = "`licet review` draws one, with --new another"
        raise NotFoundError(f"no sample of release `{copy.known.name}` is open", hint)
    return drawn


def _readers_of(row: SampleRow) -> tuple[UUID | None, UUID | None]:
    """The readers who judged a row."""
    return row.staff, row.second_staff if row.pair is not None else None


def _sample_view(tx: Transaction, drawn: Review) -> SampleSeen:
    rows = sample.list_rows(tx, drawn)
    done = sum(row.finding is not None for row in rows)
    chance = [row.stated for row in rows if row.drawn_by is DrawnBy.chance]
    read = [finding for finding in chance if finding not in (None, ReviewFinding.out_of_reach)]
    holds = sum(finding is not ReviewFinding.nothing for finding in read)
    return SampleSeen(
        drawn=len(rows),
        done=done,
        left=len(rows) - done,
        bound=review.bound(holds, len(read), len(chance) - len(read)),
        agreement=_agreement(rows),
    )


def _agreement(rows: Sequence[SampleRow]) -> Agreement:
    pairs = [(row.ordinal, *row.pair) for row in rows if row.pair is not None]
    confirmed = [
        row for row in rows if row.pair and identities.has_two((row.identity, row.second_identity))
    ]
    words = [
        tuple("nothing" if one is ReviewFinding.nothing else "something" for one in pair)
        for _, *pair in pairs
    ]
    apart = (
        Disagreement(row=row, first=one, second=other)
        for row, one, other in pairs
        if one is not other
    )
    return Agreement(
        rows=len(pairs),
        rows_confirmed=len(confirmed),
        apart=tuple(apart),
        alpha=review.alpha([(one, other) for one, other in words]),
    )


# Signing off


def sign(
    installation: Installation, name: str, signer: StaffMember, *, names_in: bool = False
) -> ReleaseStanding:
    """Signs a reviewed release; RefusedError if a check fails or ``signer`` has signed already.

    ``names_in`` confirms that the release contains names, if they were not detected.
    """
    if not signer.roles & SIGNERS:
        raise DeniedError(
            f"`{signer.email}` may not sign releases",
            f"signers have the role {' or '.join(sorted(SIGNERS))}",
        )
    identities.check(installation.config.web, signer.identity)
    of = find_copy(installation, name)
    if not of.manifest.looked_for_names and not names_in:
        raise RefusedError(
            "nobody looked for names in this release: people's names, streets and places "
            "are all in it",
            "docs/curate.md describes how to look for them; to sign nevertheless, give --names-in",
            because="names_in",
        )
    broken = verify_release(installation, name)
    if broken:
        first = broken[0]
        raise RefusedError(
            f"`{len(broken)}` checks fail, the first of `{first.file}`: "
            f"{first.promise.value}: found {first.found}",
            "a release that fails a check cannot be signed",
            because="failed_check",
        )
    with transaction(installation.pool) as tx:
        sample.lock(tx, of.known.release_id)
        if sample.newest(tx, of.known.release_id, closed=False) is not None:
            raise RefusedError(
                "a sample of the release is open", "finish reading it first", because="open"
            )
        newest = sample.newest(tx, of.known.release_id, closed=True)
        if newest is None:
            raise RefusedError(
                "nobody has reviewed the release",
                "`licet review` draws a sample",
                because="not_reviewed",
            )
        now = max(installation.clock(), newest.drawn_at)
        if not sample.sign(tx, newest, signer.staff_id, signer.via, now, identity=signer.identity):
            raise RefusedError(
                f"`{signer.email}` has already signed it",
                "the other signature must be another person's",
                because="signed",
            )
    return get_standing(installation, name)


def get_standing(
    installation: Installation, name: str, *, count_dead: bool = False
) -> ReleaseStanding:
    """The state of a release since its seal.

    ``count_dead`` checks the keys of every row, which takes about half a minute for a million.
    """
    of = find_copy(installation, name)
    with transaction(installation.pool) as tx:
        drawn = sample.newest(tx, of.known.release_id, closed=False)
        newest = sample.newest(tx, of.known.release_id, closed=True)
        signatures = sample.signatures(tx, newest) if newest else []
        is_two = newest is not None and identities.has_two(
            sample.signing_identities(tx, newest).values()
        )
        dead = (
            set(purge_rows.list_dead(tx, of.known.release_id)) - set(of.chain.gone)
            if count_dead
            else None
        )
        sample_view = _sample_view(tx, drawn) if drawn else None
        measured = measurement.newest(tx, of.known.release_id)
    stated = (
        review.SIGNED.decode(review.SIGNED.encode(newest.stated))
        if newest and newest.stated
        else None
    )
    return ReleaseStanding(
        release=of.known.name,
        folder=of.folder,
        state=of.known.state,
        rows=of.manifest.rows,
        looked_for_names=of.manifest.looked_for_names,
        rows_purged=len(of.chain.gone),
        rows_dead=None if dead is None else len(dead),
        sample=sample_view,
        statement=stated.statement if stated else None,
        statement_sha256=stated.sha256 if stated else None,
        says=review.sentence(stated.statement.bound) if stated else None,
        measurement=measured.statement if measured else None,
        signatures=tuple(signatures),
        signatures_needed=SIGNATURES_NEEDED,
        second_identity=is_two,
        signed_off=sample_view is None
        and len(signatures) >= SIGNATURES_NEEDED
        and (is_two or not installation.config.web.second_identity),
    )
