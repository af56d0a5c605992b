"""The curation of a build, as the installation is configured: name search, scorers, engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from licet.config import Configuration, Curate
from licet.consent import name_sentences, notice
from licet.consent.catalogue import catalogue
from licet.consent.language_tags import ENGLISH
from licet.consent.name_sentences import NameSearch
from licet.curate.name_forms import LANGUAGES
from licet.errors import RefusedError, UsageError
from licet.policy.file import Policies
from licet.release.curation import Curation, FoundBy
from licet.release.manifest import DetectorPin, NamesPin
from licet.store.connect import transaction
from licet.vault import policy_versions
from licet.vault.installation import Installation

if TYPE_CHECKING:  # they load numpy, a tenth of a second at every command's start
    from licet.curate.benchmarks import Benchmarks
    from licet.curate.kernels import NameKernel, NamesCleaner, Scorer


class NamesSetting(StrEnum):
    """The configured name search, independent of other installed packages."""

    policy = "policy"  # the built-in one, unless every policy version lets names in
    built_in = "built-in"
    off = "off"


FOUND_KINDS = frozenset({"person", "address"})  # of the built-in search


@contextmanager
def curation(
    installation: Installation, cleaner: NamesCleaner, scorers: Sequence[Scorer] = ()
) -> Iterator[Curation]:
    """The curation of one build, under a key of its own."""
    from licet.curate.pipeline import Pipeline
    from licet.curate.plan import plan
    from licet.curate.runners import Engine, runner

    chosen = installation.config.curate
    if chosen.runner not in set(Engine):
        raise UsageError(
            f"`LICET_CURATE__RUNNER` is `{chosen.runner}`, which is no engine",
            f"engines are {', '.join(Engine)}",
        )
    known = load_benchmarks(chosen)
    names = name_search_step(chosen, left_in=may_leave_names_in(installation))
    made = plan(
        cleaner, installation.keyring.random(32), benchmarks=known, scorers=scorers, names=names
    )
    engine = runner(Engine(chosen.runner), chosen.ray_address or "")
    found_by = describe_name_search(names, installation.config.data)
    installation.config.data.mkdir(parents=True, exist_ok=True)
    with closing(Pipeline(made, engine, installation.config.data, found_by=found_by)) as pipeline:
        yield pipeline


def load_benchmarks(chosen: Curate) -> Benchmarks:
    """The configured benchmark questions."""
    from licet.curate import benchmarks

    return (
        benchmarks.read_benchmarks(chosen.benchmarks_file)
        if chosen.benchmarks_file
        else benchmarks.Benchmarks()
    )


def name_search_step(
    chosen: Curate, remembered_max: int | None = None, *, left_in: bool = False
) -> NameKernel | None:
    """The name search step; None without a search.

    It caches ``remembered_max`` texts, by default for a build. ``left_in``: the policy lets names
    in, so that `policy` means no search, and an unsearched text may stay.
    """
    from licet.curate.detect import CACHED_TEXTS_MAX, CachedDetector
    from licet.curate.kernels import NameKernel
    from licet.curate.names import NameFinder
    from licet.curate.rules import IdentifierKind

    if not set(chosen.names_kinds) <= FOUND_KINDS or not chosen.names_kinds:
        raise UsageError(
            f"`LICET_CURATE__NAMES_KINDS` is `{','.join(chosen.names_kinds)}`",
            f"kinds are {', '.join(sorted(FOUND_KINDS))}",
        )
    if not _searches_names(chosen, left_in):
        return None
    return NameKernel(
        detector=CachedDetector(NameFinder.load(), remembered_max or CACHED_TEXTS_MAX),
        kinds=tuple(IdentifierKind(kind) for kind in sorted(set(chosen.names_kinds))),
        may_stay=left_in,
    )


def _searches_names(chosen: Curate, left_in: bool) -> bool:
    if chosen.names not in set(NamesSetting):
        raise UsageError(
            f"`LICET_CURATE__NAMES` is `{chosen.names}`", f"it is one of {', '.join(NamesSetting)}"
        )
    return chosen.names == NamesSetting.built_in or (
        chosen.names == NamesSetting.policy and not left_in
    )


def may_leave_names_in(installation: Installation) -> bool:
    """Whether every policy version so far lets names stay in; False without a version."""
    with transaction(installation.pool) as tx:
        versions = policy_versions.load(tx)
    return (
        versions is not None
        and versions.replacing_names(versions.number(installation.clock())) is None
    )


def name_search(config: Configuration, *, left_in: bool = False) -> NameSearch:
    """The kinds and languages that a build searches.

    ``left_in``: every policy version so far lets names in.
    """
    if not _searches_names(config.curate, left_in):
        return NameSearch()
    return NameSearch(FOUND_KINDS & set(config.curate.names_kinds), LANGUAGES, others_stay=left_in)


def check_notices(installation: Installation, policies: Policies) -> None:
    """Raises RefusedError if an answered notice promises more removal than a build does, or does
    not say that names are left in.
    """
    number = policies.number(installation.clock())
    with transaction(installation.pool) as tx:
        notices = notice.list_in_force(tx, number)
    search = name_search(installation.config, left_in=policies.replacing_names(number) is None)
    for published in notices:
        if beyond := notice.unkept_promises(published.text, search):
            raise RefusedError(
                f"the notice `{published.text.variant.value}` in `{published.language}` of version "
                f"`{published.text.version}` promises more than a build does: `{beyond}`",
                "install what looks for names and turn it on (docs/curate.md), or publish words "
                "that promise less:"
                f" `licet notice publish --version {published.text.version}`",
                because="notice_promises",
            )
        if sentence := notice.missing_disclosure(
            published.text, policies[published.number], search
        ):
            raise RefusedError(
                f"names are left in, and the notice `{published.text.variant.value}` in `{published.language}` "
                "of version"
                f" `{published.text.version}` does not say so: {sentence}",
                f"publish words that do: `licet notice publish --version {published.text.version}`",
                because="notice_silent",
            )


def describe_name_search(names: NameKernel | None, data: Path) -> FoundBy:
    """The manifest's description of the name search; ``data`` may hold the operator's figures."""
    from licet.curate import names_measure

    measured = names_measure.load_figures(names, data)
    if names is None:
        return FoundBy(measured=measured)
    kinds = tuple(kind.value for kind in names.kinds)
    search = NameSearch(frozenset(kinds), LANGUAGES, others_stay=names.may_stay)
    return FoundBy(
        names=NamesPin(
            detectors=(DetectorPin(name=names.detector.name, sha256=names.detector.sha256),),
            kinds=kinds,
            languages=tuple(sorted(LANGUAGES)),
            other_languages=name_sentences.other_languages_sentence(catalogue(ENGLISH), search),
        ),
        measured=measured,
    )
