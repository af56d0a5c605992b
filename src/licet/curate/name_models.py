"""Tries out and measures name search, from files."""

from __future__ import annotations

import re
import secrets
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import msgspec

from licet.config import Configuration
from licet.curate import deidentify, engine_settings
from licet.errors import UsageError
from licet.release import changed_words
from licet.release.changed_words import ChangedPlace, ChangedShare, ChangedWords
from licet.release.manifest import MeasuredFigures

FILES_MAX, FILE_BYTES_MAX = 100_000, 4 << 20
_SLICE = re.compile(r"[a-z][a-z0-9_.-]{0,63}", re.ASCII)


class NameTrial(msgspec.Struct, frozen=True, kw_only=True):
    """A text as in a release, the replacements by kind, and whether it would be dropped, as
    ``doubtful`` or for an ``unread_language``.
    """

    text: str
    replaced: Mapping[str, int]
    doubtful: bool
    unread_language: str = ""

    def __repr__(self) -> str:
        return f"NameTrial(sealed, {len(self.text)} characters)"


def try_text(config: Configuration, text: str) -> NameTrial:
    """De-identifies one text as configured, under a throw-away key."""
    names = engine_settings.name_search_step(config.curate)
    spans = names.find_names([text]) if names is not None else None
    made = deidentify.deidentify([text], secrets.token_bytes(32), names=spans)
    return NameTrial(
        text=made.texts[0],
        replaced={kind.value: count for kind, count in made.counts.items()},
        doubtful=made.doubtful,
        unread_language=names.unread_language(text) if names is not None else "",
    )


def measure(
    config: Configuration, slices: Mapping[str, Path], *, keep: bool = False
) -> tuple[MeasuredFigures, ...]:
    """Measures the configured search on labelled texts; with ``keep``, release cards quote the
    figures.
    """
    from licet.curate import names_labelled, names_measure

    for name in slices:
        if not _SLICE.fullmatch(name):
            raise UsageError(
                f"`{name}` is not a name for a slice",
                "use lower-case letters, digits, `-`, `_` and `.`",
            )
    names = engine_settings.name_search_step(config.curate)
    if names is None:
        raise UsageError("nothing is configured that looks for names", "unset LICET_CURATE__NAMES")
    made = names_measure.measure(
        names, {name: names_labelled.read_conll(path) for name, path in slices.items()}
    )
    if keep:
        config.data.mkdir(parents=True, exist_ok=True)
        names_measure.add_figures(
            config.data / names_measure.OWN_FILE, {names_measure.configuration_key(names): made}
        )
    return made


class FolderMeasure(msgspec.Struct, frozen=True, kw_only=True):
    """The changes of de-identification in an operator's texts: words by language, place and kind,
    and examples.

    ``labelled``: figures of marked texts, by language. ``skipped``: files that are not text, with
    the reason.
    """

    texts: int
    words: int
    changed: tuple[ChangedShare, ...]
    unread: Mapping[str, int]
    labelled: tuple[MeasuredFigures, ...] = ()
    samples: tuple[ChangedPlace, ...] = ()
    unusual: tuple[ChangedShare, ...] = ()
    skipped: Mapping[str, str] = {}

    def __repr__(self) -> str:
        return f"FolderMeasure(sealed, {self.texts} texts)"


def measure_folder(config: Configuration, folder: Path) -> FolderMeasure:
    """Measures the texts of a folder: each `.txt` and `.md` file is one, or marked lines
    (names_labelled).
    """
    from licet.curate import changed_places, labels, names_labelled, names_measure

    names = engine_settings.name_search_step(config.curate)
    plain, marked = list[str](), dict[str, list[names_labelled.LabelledText]]()
    files = [
        one for one in sorted(folder.rglob("*")) if one.suffix in (".txt", ".md") and one.is_file()
    ]
    if not files:
        raise UsageError(f"`{folder}` holds no text", "put files that end in `.txt` or `.md` there")
    if len(files) > FILES_MAX:
        raise UsageError(
            f"`{folder}` holds `{len(files)}` texts", f"give a part of it, `{FILES_MAX}` at most"
        )
    skipped = dict[str, str]()
    for file in files:
        text, why = _text_of(file)
        if why:
            skipped[str(file.relative_to(folder))] = why
        elif text.startswith("== "):
            for language, own in names_labelled.read_marked(file).items():
                marked.setdefault(language, []).extend(own)
        else:
            plain.append(text)
    texts = [*plain, *(labelled.text for own in marked.values() for labelled in own)]
    measured, key = list[tuple[str, ChangedWords]](), secrets.token_bytes(32)
    for text in texts:
        substitutions = deidentify.substitutions(
            [text], key, names=names.find_names([text]) if names is not None else None
        )
        measured.append(
            (labels.language([text]), changed_places.changed_words([text], substitutions))
        )
    counts = changed_words.by_language(measured)
    unread = Counter(
        filter(
            None,
            (names.detector.unread_language(text) for text in texts) if names is not None else (),
        )
    )
    slices = {f"messages-{language}": own for language, own in marked.items()}
    return FolderMeasure(
        texts=len(texts),
        words=sum(count for key, count in counts.items() if key.count(" ") == 1),
        changed=tuple(changed_words.list_shares(counts)),
        unread=dict(unread),
        labelled=names_measure.measure(names, slices),
        samples=changed_words.choose_samples(measured),
        unusual=tuple(changed_words.find_unusual(counts)),
        skipped=skipped,
    )


def _text_of(file: Path) -> tuple[str, str]:
    """The text of a file, or why it has none."""
    with file.open("rb") as opened:
        raw = opened.read(FILE_BYTES_MAX + 1)
    if len(raw) > FILE_BYTES_MAX:
        return "", f"longer than {FILE_BYTES_MAX:,} bytes"
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        return "", f"not UTF-8 at byte {error.start:,}"
    return ("", "holds a NUL character") if "\0" in text else (text, "")


def describe_folder(measure: FolderMeasure) -> str:
    """A folder's measurement, for people to read."""
    lines = [f"{measure.texts:,} texts of {measure.words:,} words"]
    lines += [f"{one} ({one.changed:,})" for one in measure.changed]
    lines += [
        f"not looked at: {count:,} texts in `{language}`"
        for language, count in sorted(measure.unread.items())
    ]
    lines += [f"skipped: `{file}`: {why}" for file, why in sorted(measure.skipped.items())]
    lines += [describe_figure(figures) for figures in measure.labelled]
    lines += [f"unusual: {one}" for one in measure.unusual]
    lines += map(changed_words.describe_place, measure.samples)
    return "\n".join(lines)


def describe_figure(figures: MeasuredFigures) -> str:
    """A figure, for people to read."""
    share = figures.found / figures.labelled if figures.labelled else 0.0
    of = "replaced words are right" if figures.kind == "precision" else "found"
    counts = f"{figures.found:,} of {figures.labelled:,} {of}"
    return f"{figures.slice}: {figures.kind} {share:.3f} ({counts})"
