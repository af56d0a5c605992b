"""Applies policies, plans policy changes, and publishes their notices."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import msgspec

from licet.consent import catalogue, controller, notice
from licet.consent.controller import Controller
from licet.consent.language_tags import ENGLISH
from licet.errors import RefusedError, UsageError
from licet.policy import purposes, regions
from licet.policy.file import NamesTerm, Policy, preset_text
from licet.policy.file import load as load_policy
from licet.store import statistics
from licet.store.connect import Transaction, transaction
from licet.vault import policy_plan, restriction
from licet.vault import policy_versions as versions
from licet.vault.ids import uuid7
from licet.vault.installation import Installation, load_policies
from licet.vault.policy_plan import PolicyPlan
from licet.vault.stored_dates import FIRST, LISTED_MAX, DatesPage, list_dates, shorten_batch

DECIDE_DAYS = 30


def dated_preset(
    name: str,
    today: date,
    effective: date | None = None,
    decide_by: date | None = None,
    *,
    names_left_in: bool = False,
) -> str:
    """Returns a preset's text with its dates: by default effective today, with thirty days to
    decide. ``names_left_in`` activates the commented line `names: left in`.
    """
    text = preset_text(name)
    effective = effective or today
    decide_by = decide_by or max(effective, today) + timedelta(days=DECIDE_DAYS)
    for key, value in (
        ("version", f'"{effective}"'),
        ("effective", str(effective)),
        ("decide_by", str(decide_by)),
    ):
        text, count = re.subn(rf"(?m)^({key}: )(\S+)", rf"\g<1>{value}", text, count=1)
        assert count == 1, key
    return re.sub(r"(?m)^# (names: left in)\b.*$", r"\1", text) if names_left_in else text


class InstallationBegun(msgspec.Struct, frozen=True, kw_only=True):
    file: Path
    policy: str
    version: str
    effective: datetime
    decide_by: date | None
    number: int
    names: NamesTerm


def check_unused(installation: Installation) -> None:
    """Raises RefusedError if the installation already has a policy."""
    with transaction(installation.pool) as tx:
        if versions.load(tx) is not None:
            raise RefusedError(
                "a policy has been applied already", "see `licet policy apply`", because="exists"
            )


def init(
    installation: Installation,
    *,
    preset: str = "strict",
    file: Path | None = None,
    effective: date | None = None,
    decide_by: date | None = None,
    responsible: Controller | None = None,
    languages: Collection[str] | None = None,
    names_left_in: bool = False,
) -> InstallationBegun:
    """Writes and applies the first policy; RefusedError if there is one already.

    A preset gets its dates: ``effective``, by default today, and ``decide_by``, by default thirty
    days later. `controller.yaml` is written beside it from ``responsible``, or with empty values;
    an existing file is kept unless ``responsible`` is given. Notices are published in English and
    in ``languages``, by default all shipped ones.
    """
    now = installation.clock()
    _check_days(file, effective, decide_by, now.date())
    if file is not None and names_left_in:
        raise UsageError("a file of your own has its own terms", "write `names: left in` into it")
    _check_languages(languages)
    check_unused(installation)
    target = installation.config.data / "policy.yaml"
    # with an operator's own database nothing has created it yet
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if file is None:
        target.write_text(
            dated_preset(preset, now.date(), effective, decide_by, names_left_in=names_left_in),
            encoding="utf-8",
        )
        policy = load_policy(target)
    else:
        policy = load_policy(file)
        target.write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    if responsible is not None or not installation.config.controller.exists():
        controller.write(installation.config.controller, responsible or Controller())
    number = apply_policy(installation, policy, actor="init", languages=languages)
    return InstallationBegun(
        file=target,
        policy=policy.policy,
        version=policy.version,
        effective=policy.effective,
        decide_by=policy.decide_by,
        number=number,
        names=policy.names,
    )


def _check_days(
    file: Path | None, effective: date | None, decide_by: date | None, today: date
) -> None:
    if file is not None and (effective or decide_by):
        raise UsageError(
            "a file of your own has its own days", "write `effective` and `decide_by` into it"
        )
    if decide_by is not None and decide_by < (effective or today):
        raise UsageError(
            f"`{decide_by}` is before `{effective or today}`, from which day the policy is "
            "effective",
            "people have at least its first day to decide: give --decide-by that day or a "
            "later one",
        )


def _check_languages(languages: Collection[str] | None) -> None:
    known = sorted({notice.language_of(name) for name in notice.sources()})
    for name in languages or ():
        if name not in known:
            raise UsageError(f"no notice ships in `{name}`", f"they ship in {', '.join(known)}")


def apply_policy(
    installation: Installation,
    policy: Policy,
    *,
    actor: str,
    languages: Collection[str] | None = (),
) -> int:
    """Adds a policy version and publishes its shipped notices in English and ``languages`` (None:
    all); returns its number.
    """
    purposes.unworded_purposes(policy)
    with transaction(installation.pool) as tx:
        now = installation.clock()
        number = versions.add(tx, policy, now, actor)
        restriction.record_policy(tx, installation.keyring, policy, now, actor)
        wanted = None if languages is None else {ENGLISH, *languages}
        _publish(installation, tx, notice.list_shipped_sources(policy, wanted), None, actor)
    return number


def publish_notices(
    installation: Installation,
    sources: Sequence[str] | None = None,
    *,
    version: str | None = None,
    actor: str,
) -> list[notice.NoticePublication]:
    """Publishes notices for a policy version: by default the shipped ones, for the newest
    version.
    """
    versions = load_policies(installation)
    if sources is None:
        sources = notice.list_shipped_sources(notice.find_version(versions, version))
        if not sources:
            raise UsageError(
                "no notice ships for this policy",
                "name the files of your own: docs/notices.md shows how",
            )
    with transaction(installation.pool) as tx:
        return _publish(installation, tx, sources, version, actor)


def _publish(
    installation: Installation,
    tx: Transaction,
    sources: Sequence[str],
    version: str | None,
    actor: str,
) -> list[notice.NoticePublication]:
    # imported here, because it imports all of curation
    from licet.curate.engine_settings import name_search

    known = versions.load(tx)
    assert known is not None
    number = known.versions.index(notice.find_version(known, version))
    left_in = known.replacing_names(number) is None
    return notice.publish(
        tx,
        known,
        sources,
        version=version,
        now=installation.clock(),
        by=actor,
        random=installation.keyring.random,
        search=name_search(installation.config, left_in=left_in),
        languages=catalogue.load_languages(installation.config.languages),
    )


class PlannedPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A stored plan.

    ``sha256`` is the policy's hash, by which `apply` finds it; ``plan_sha256`` the plan's own.
    ``dates`` is the first page of shortened dates, if the plan shortens stored content.
    ``unworded`` are purposes without page texts: pages show their names. ``findings`` are for
    counsel: ages below a known law's, required languages without a notice.
    """

    plan: PolicyPlan
    sha256: str
    plan_sha256: str
    dates: DatesPage | None = None
    unworded: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()


def plan_policy(
    installation: Installation,
    file: Path,
    *,
    actor: str,
    shorten_stored: bool = False,
    limit: int = LISTED_MAX,
) -> PlannedPolicy:
    """Plans a policy file over the present accounts and stores the plan; changes nothing else.
    ``shorten_stored`` also plans shorter dates of stored content, and returns the first ``limit``.
    """
    return plan_version(
        installation, load_policy(file), actor=actor, shorten_stored=shorten_stored, limit=limit
    )


def plan_version(
    installation: Installation,
    policy: Policy,
    *,
    actor: str,
    shorten_stored: bool = False,
    limit: int = LISTED_MAX,
) -> PlannedPolicy:
    """`plan_policy` of a parsed policy."""
    versions, now = load_policies(installation), installation.clock()
    unworded = purposes.unworded_purposes(policy)
    shortening = uuid7(now, installation.keyring.random(10)) if shorten_stored else None
    statistics.gather(installation.pool)
    with transaction(installation.pool) as tx:
        drawn = policy_plan.draw_plan(tx, versions, policy, now, shortening=shortening)
        named = policy_plan.save_plan(tx, versions, policy, drawn, now, actor)
        dates = None
        if shortening is not None:
            after = policy_plan.with_version(versions, policy)
            dates = list_dates(tx, after, policy, now, shortening, cursor=None, limit=limit)
    return PlannedPolicy(
        plan=drawn,
        sha256=policy.sha256().hex(),
        plan_sha256=named,
        dates=dates,
        unworded=unworded,
        findings=findings_of(policy),
    )


def planned_dates(
    installation: Installation, file: Path, plan_sha256: str, *, cursor: str, limit: int
) -> DatesPage:
    """Returns the page behind ``cursor`` of a plan's shortened dates; RefusedError unless it is the
    newest plan.
    """
    policy, versions, now = load_policy(file), load_policies(installation), installation.clock()
    with transaction(installation.pool) as tx:
        shortening = policy_plan.shortening_of(tx, versions, policy, plan_sha256, now)
        after = policy_plan.with_version(versions, policy)
        return list_dates(tx, after, policy, now, shortening, cursor=cursor, limit=limit)


def findings_of(policy: Policy) -> tuple[str, ...]:
    """Returns findings on a version's regions, in sentences: possibly unlawful ages, languages
    without a notice.
    """
    known = {notice.language_of(name) for name in notice.sources()}
    unsaid = [
        f"`regions.{region.region}.languages` has "
        f"{', '.join(f'`{name}`' for name in region.languages if name not in known)}, "
        "in which no notice ships: publish one of your own"
        for region in policy.regions
        if set(region.languages) - known
    ]
    return (*regions.ages_below_law(policy.regions), *unsaid)


class AppliedPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """``second_identity``: another identity of the provider had proposed it. ``shortened`` counts
    segments; ``left_accounts`` changed after the plan, and were not shortened.
    """

    number: int
    version: str
    effective: datetime
    sha256: str
    shortened: int
    second_identity: bool = False
    left_accounts: int = 0


SHORTEN_ACCOUNTS_MAX = 500


def apply_planned(
    installation: Installation,
    file: Path,
    *,
    actor: str,
    shorten_stored: bool = False,
    plan_sha256: str = "",
) -> AppliedPolicy:
    """Applies a planned policy file.

    Shortening stored dates is a separate, repeatable step: with ``shorten_stored``, exactly the
    dates of the plan ``plan_sha256`` are shortened.
    """
    policy, versions, now = load_policy(file), load_policies(installation), installation.clock()
    purposes.unworded_purposes(policy)
    number, shortening = len(versions) - 1, None
    if shorten_stored:
        with transaction(installation.pool) as tx:
            shortening = policy_plan.shortening_of(tx, versions, policy, plan_sha256, now)
    if policy != versions[number]:
        with transaction(installation.pool) as tx:
            number = apply_in(installation, tx, policy, now, actor)
        (installation.config.data / "policy.yaml").write_text(
            file.read_text(encoding="utf-8"), encoding="utf-8"
        )
    elif not shorten_stored:
        raise RefusedError(f"version `{policy.version}` is applied already", because="exists")
    shortened, left = (
        _shorten(installation, policy, now, shortening) if shortening is not None else (0, 0)
    )
    return AppliedPolicy(
        number=number,
        version=policy.version,
        effective=policy.effective,
        sha256=policy.sha256().hex(),
        shortened=shortened,
        left_accounts=left,
    )


def apply_in(
    installation: Installation, tx: Transaction, policy: Policy, now: datetime, actor: str
) -> int:
    """Applies a planned version in the caller's transaction and publishes its notices; returns its
    number.
    """
    number = policy_plan.apply(tx, policy, now, actor)
    restriction.record_policy(tx, installation.keyring, policy, now, actor)
    _publish(
        installation,
        tx,
        notice.list_shipped_sources(policy, {ENGLISH, *notice.published_languages(tx)}),
        None,
        actor,
    )
    return number


def _shorten(
    installation: Installation, policy: Policy, now: datetime, shortening: UUID
) -> tuple[int, int]:
    """Shortens the planned dates, one page of accounts at a time; returns the numbers of segments,
    and of accounts skipped because they had changed.
    """
    total, left, after = 0, 0, FIRST
    while True:
        with transaction(installation.pool) as tx:
            batch = shorten_batch(
                tx, policy, now, shortening, after=after, limit=SHORTEN_ACCOUNTS_MAX
            )
        total, left = total + batch.segments, left + batch.changed_accounts
        if batch.last is None:
            return total, left
        after = batch.last
