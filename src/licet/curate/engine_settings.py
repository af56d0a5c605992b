"""What a build's curation is, as the installation is configured: who looks for names, what scores, on which engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from licet.config import Configuration, Curate
from licet.consent import notice
from licet.errors import RefusedError, UsageError
from licet.policy.file import Policies
from licet.release.curation import Curation, FoundBy
from licet.release.manifest import DetectorPin, NamesPin
from licet.store.connect import transaction
from licet.vault import policy_versions
from licet.vault.installation import Installation

if TYPE_CHECKING:  # their numpy would make every command start a tenth of a second later
    from licet.curate.benchmarks import Benchmarks
    from licet.curate.detect import Detector
    from licet.curate.kernels import NameKernel, NamesCleaner, Scorer

OFF, WHAT_IS_THERE, BUILT_IN = "off", "auto", "built-in"
TAGGER_FOLDER = "tagger"


@contextmanager
def curation(here: Installation, cleaner: NamesCleaner, scorers: Sequence[Scorer] = ()) -> Iterator[Curation]:
    """Curation of one build, under a key that nobody else ever has."""
    from licet.curate.pipeline import Pipeline
    from licet.curate.plan import plan
    from licet.curate.runners import Engine, runner

    chosen = here.config.curate
    if chosen.runner not in set(Engine):
        raise UsageError(
            f"`LICET_CURATE__RUNNER` is `{chosen.runner}`, which is no engine", f"engines are {', '.join(Engine)}"
        )
    known = compared_with(chosen)
    names = named(chosen, here.config.data, left_in=lets_names_in(here))
    made = plan(cleaner, here.keyring.random(32), benchmarks=known, scorers=scorers, names=names)
    engine = runner(Engine(chosen.runner), chosen.ray_address or "")
    found_by = pinned(names, tagger_folder(chosen, here.config.data))
    here.config.data.mkdir(parents=True, exist_ok=True)
    with closing(Pipeline(made, engine, here.config.data, found_by=found_by)) as pipeline:
        yield pipeline


def compared_with(chosen: Curate) -> Benchmarks:
    """The questions of benchmarks that a row may not hold."""
    from licet.curate import benchmarks

    return benchmarks.read(chosen.benchmarks_file) if chosen.benchmarks_file else benchmarks.Benchmarks()


def named(chosen: Curate, data: Path, remembered_max: int | None = None, *, left_in: bool = False) -> NameKernel | None:
    """The step that looks for names; None where nothing is to look.

    It remembers what it found in ``remembered_max`` texts, by default as many as suit a build. ``left_in``: the policy
    lets names in, so that `auto` means only what somebody installed.
    """
    from licet.curate.detect import CACHED_TEXTS_MAX, CachedDetector, Doubt
    from licet.curate.kernels import NameKernel
    from licet.curate.names_cascade import together
    from licet.curate.rules import NAMED, IdentifierKind

    if not set(chosen.names_kinds) <= {kind.value for kind in NAMED} or not chosen.names_kinds:
        raise UsageError(
            f"`LICET_CURATE__NAMES_KINDS` is `{','.join(chosen.names_kinds)}`", f"kinds are {', '.join(NAMED)}"
        )
    if chosen.doubt not in set(Doubt):
        raise UsageError(f"`LICET_CURATE__DOUBT` is `{chosen.doubt}`", f"it is one of {', '.join(Doubt)}")
    if not 0 < chosen.names_score_min <= chosen.names_sure <= 1:
        raise UsageError("`LICET_CURATE__NAMES_SCORE_MIN` and `.._NAMES_SURE` do not rise from 0 to 1")
    found = _detectors(chosen, data, left_in)
    if not found:
        return None
    kinds = tuple(IdentifierKind(kind) for kind in sorted(set(chosen.names_kinds)))
    return NameKernel(
        detector=CachedDetector(together(found), remembered_max or CACHED_TEXTS_MAX),
        kinds=kinds,
        score_min=chosen.names_score_min,
        sure=chosen.names_sure,
        doubt=Doubt(chosen.doubt),
    )


# Which kinds of names each detector is made for. spaCy's pipeline knows buildings, and finds one street address in twenty.
_MADE_FOR = {
    BUILT_IN: {"person", "address"},
    "tagger": {"person", "address", "place", "organisation"}, "spacy": {"person", "place", "organisation"},
    "privacy-filter": {"person", "address"}, "gliner": {"person", "address", "place", "organisation"},
}  # fmt: skip


def lets_names_in(here: Installation) -> bool:
    """Whether each version of the policy so far lets names stay in; False before there is one."""
    with transaction(here.pool) as tx:
        known = policy_versions.load(tx)
    return known is not None and known.replacing_names(known.number(here.clock())) is None


def looks_for(config: Configuration, *, left_in: bool = False) -> frozenset[str]:
    """The kinds of names that a build, as configured on this machine, looks for with something made for them.

    ``left_in``: each version of the policy so far lets names in.
    """
    chosen = config.curate
    wanted = list(dict.fromkeys(chosen.names))
    if wanted == [WHAT_IS_THERE]:
        wanted = _there(tagger_folder(chosen, config.data), left_in)
    found = set().union(*(_MADE_FOR.get(name, set()) for name in wanted if name != OFF))
    return frozenset(found & set(chosen.names_kinds))


def hold_to_notices(here: Installation, known: Policies) -> None:
    """RefusedError where a notice that people answered promises to take out more than a build looks for, or does not say
    that names are left in.
    """
    number = known.number(here.clock())
    with transaction(here.pool) as tx:
        found = notice.in_force(tx, number)
    looked_for = looks_for(here.config, left_in=known.replacing_names(number) is None)
    for one in found:
        if beyond := notice.overpromised(one.text, looked_for):
            raise RefusedError(
                f"the notice `{one.text.variant.value}` in `{one.language}` of version `{one.text.version}` promises"
                f" more than a build does: `{beyond}`",
                "install what looks for names and turn it on (docs/curate.md), or publish words that promise less:"
                f" `licet notice publish --version {one.text.version}`", because="notice_promises",
            )  # fmt: skip
        if sentence := notice.untold(one.text, known[one.number], looked_for):
            raise RefusedError(
                f"names are left in, and the notice `{one.text.variant.value}` in `{one.language}` of version"
                f" `{one.text.version}` does not say so: {sentence}",
                f"publish words that do: `licet notice publish --version {one.text.version}`", because="notice_silent",
            )  # fmt: skip


def tagger_folder(chosen: Curate, data: Path) -> Path:
    return chosen.tagger_folder or data / TAGGER_FOLDER


def pinned(names: NameKernel | None, folder: Path) -> FoundBy:
    """What a manifest says of these detectors."""
    from licet.curate import names_measure

    measured = names_measure.known(names, folder)
    if names is None:
        return FoundBy(measured=measured)
    every = zip(names.detector.name.split("+"), names.detector.sha256.split("+"), strict=True)
    return FoundBy(
        names=NamesPin(
            detectors=tuple(DetectorPin(name=name, sha256=sha256) for name, sha256 in every),
            kinds=tuple(kind.value for kind in names.kinds),
            doubt=names.doubt.value,
        ),
        measured=measured,
    )


def _there(folder: Path, left_in: bool) -> list[str]:
    """The detectors that `auto` means on this machine: the one that ships, unless names may stay in, and what is installed."""
    from licet.curate import names_spacy

    there = {BUILT_IN: not left_in, "tagger": folder.is_dir(), "spacy": bool(names_spacy.installed())}
    return [name for name, is_there in there.items() if is_there]


def _detectors(chosen: Curate, data: Path, left_in: bool) -> list[Detector]:
    from licet.curate import names as tagging
    from licet.curate import names_built_in, names_hub, names_spacy

    folder = tagger_folder(chosen, data)
    wanted = list(dict.fromkeys(chosen.names))
    if wanted == [OFF]:
        return []
    if wanted == [WHAT_IS_THERE]:
        wanted = _there(folder, left_in)
    found: list[Detector] = []
    for name in wanted:
        match name:
            case "built-in":
                found.append(names_built_in.BuiltIn.read())
            case "tagger":
                found.append(tagging.Tagger.read(folder))
            case "spacy":
                found.append(names_spacy.Spacy.read())
            case "privacy-filter":
                found.append(
                    names_hub.TokenClassifier.read(_given(chosen.privacy_filter_folder, "PRIVACY_FILTER_FOLDER"))
                )
            case "gliner":
                found.append(names_hub.Gliner.read(_given(chosen.gliner_folder, "GLINER_FOLDER")))
            case _:
                hint = "`auto`, `off`, or some of `built-in`, `tagger`, `spacy`, `privacy-filter`, `gliner`"
                raise UsageError(f"`LICET_CURATE__NAMES` has `{name}`", hint)
    return found


def _given(folder: Path | None, setting: str) -> Path:
    if folder is None:
        raise UsageError(f"`LICET_CURATE__{setting}` is not set", "name the folder that holds the model")
    return folder
