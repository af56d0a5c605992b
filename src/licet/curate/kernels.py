"""The steps of curation: each a pure function from a record batch of documents to one with more
columns.

A kernel uses no engine, database or clock; it is a frozen value that pickles, so that any engine
can send it to a worker and rerun it when the worker dies. Invariants, held by a test: as many
documents come out as went in, in the same order; a document's result does not depend on the others
in the batch; the same batch gives the same bytes.

Scores are columns: only `SelectKernel` drops documents, by columns, never by texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.metadata import version as installed_version
from typing import Protocol, cast

import msgspec
import pyarrow as pa

from licet.curate import labels, language_model, name_spans, rules, sketches
from licet.curate.batches import (
    BINARIES,
    BINARY,
    NUMBERS,
    PROSE,
    SPOKEN,
    STRING,
    STRINGS,
    append_columns,
    column,
    numbers,
    split_by_sizes,
)
from licet.curate.benchmarks import Benchmarks
from licet.curate.changed_places import word_counts
from licet.curate.code_strings import readable
from licet.curate.compiled import loops
from licet.curate.dedupe import WEIGHT_MAX, document_order
from licet.curate.detect import DetectedSpan, Detector
from licet.curate.label_columns import count_words, label_columns
from licet.curate.quality import Select, qualities
from licet.curate.sketch_columns import sketch_columns
from licet.curate.splits import Shares, assign_split
from licet.curate.text_column import batch_texts
from licet.policy.state import ConversationKind
from licet.release.curation import CleanedTexts, Cleaner, LeftOut, Voice
from licet.release.rows import Quality

NAMES_KINDS = (rules.IdentifierKind.PERSON, rules.IdentifierKind.ADDRESS)
NAMES_CHARACTERS_MAX = 1_000_000  # a minute's search or two
SIGNALS: tuple[str, ...] = Quality.__struct_fields__
UNREAD_LANGUAGE = "unread_language"  # a column, and why a row is left out


class Kernel(Protocol):
    """A step. ``declared`` is all that its result depends on, besides the batch and the build's
    key.
    """

    @property
    def declared(self) -> Mapping[str, object]: ...

    def __call__(self, batch: pa.RecordBatch, /) -> pa.RecordBatch: ...


class Scorer(Protocol):
    """Scores texts, for toxicity or misuse; it must pickle, and score a text alike in any batch."""

    @property
    def name(self) -> str:
        """A lower-case word."""

    @property
    def sha256(self) -> str:
        """The hash of the model, in hexadecimal."""

    def scores(self, texts: Sequence[str]) -> Sequence[float]:
        """A score from 0 to 1 for each text."""


class SketchKernel(msgspec.Struct, frozen=True, kw_only=True):
    """Adds the sketches for deduplication: ``order``, ``whole``, ``whole_signature``, ``turns``,
    ``weights`` and ``turn_signatures``, of the original texts: surrogates differ between
    conversations and would hide duplicates.
    """

    key: bytes

    @property
    def declared(self) -> Mapping[str, object]:
        return {"step": "sketch", "shingle_words": 5, "places": sketches.PLACES, "sketches": 2}

    def __call__(self, batch: pa.RecordBatch, /) -> pa.RecordBatch:
        places = zip(column(batch, "account"), column(batch, "name"), strict=True)
        order = (BINARY, [document_order(account, name) for account, name in places])
        is_code = [kind == ConversationKind.code for kind in column(batch, "kind")]
        texts = batch_texts(batch)
        if (made := loops(texts.size)) is not None:
            return append_columns(
                batch, order=order, **sketch_columns(batch, texts, is_code, self.key, made)
            )
        messages = _texts_of_voices(batch, SPOKEN)
        exact = [sketches.exact_each(texts, self.key) for texts in messages]
        chats = [
            "" if code else "\n".join(texts) for code, texts in zip(is_code, messages, strict=True)
        ]
        turns = [
            text if code else ""
            for code, texts in zip(is_code, messages, strict=True)
            for text in texts
        ]
        signed = split_by_sizes(sketches.signatures(turns, self.key), map(len, messages))
        return append_columns(
            batch,
            order=order,
            whole=(BINARY, [whole for whole, _ in exact]),
            whole_signature=(BINARY, sketches.signatures(chats, self.key)),
            turns=(BINARIES, [each for _, each in exact]),
            weights=(
                NUMBERS,
                [[min(len(text), WEIGHT_MAX) for text in texts] for texts in messages],
            ),
            turn_signatures=(BINARIES, list(signed)),
        )


class NameKernel(msgspec.Struct, frozen=True, kw_only=True):
    """Adds ``names``, the places of names in each text; ``unread_language``, the first unsearched
    language if names may not stay, or empty; and ``doubtful``, whether a text is too long to
    search. Equal texts of a batch are searched once, ``detector`` may cache others, and ``known``
    findings of the same finder are reused. Names of tools are not searched.
    """

    detector: Detector
    kinds: tuple[rules.IdentifierKind, ...] = NAMES_KINDS
    may_stay: bool = False

    @property
    def declared(self) -> Mapping[str, object]:
        found_by = {
            "detector": self.detector.name,
            "sha256": self.detector.sha256,
            "kinds": sorted(self.kinds),
        }
        return {
            "step": "names",
            **found_by,
            "characters_max": NAMES_CHARACTERS_MAX,
            "may_stay": self.may_stay,
        }

    @property
    def finder(self) -> str:
        """The hash of everything that findings depend on besides the text."""
        declared = {name: value for name, value in self.declared.items() if name != "may_stay"}
        made_by = {"format": name_spans.FORMAT, "licet": installed_version("licet")}
        return sha256(msgspec.json.encode(declared | made_by, order="sorted")).hexdigest()

    def find_names(self, texts: Sequence[str]) -> list[list[DetectedSpan]]:
        """Possible names in each text, without code outside strings and comments."""
        spans = self.detector.detect(texts, self.kinds)
        return [readable(text, own) for text, own in zip(texts, spans, strict=True)]

    def unread_language(self, text: str) -> str:
        """The unsearched language for which a row with this text is dropped, or empty."""
        return "" if self.may_stay else self.detector.unread_language(text)

    def __call__(self, batch: pa.RecordBatch, /) -> pa.RecordBatch:
        spoken = list(
            zip(
                column(batch, "texts"), column(batch, "voices"), column(batch, "known"), strict=True
            )
        )
        found: dict[str, list[DetectedSpan] | None] = {}
        for texts, voices, known in spoken:
            for t, v, k in zip(texts, voices, known, strict=True):
                if is_searched(t, v) and found.get(t) is None:
                    found[t] = name_spans.spans_in(k, t)
        anew = [text for text, spans in found.items() if spans is None]
        every = {text: spans for text, spans in found.items() if spans is not None}
        every |= zip(anew, self.find_names(anew), strict=True)
        packed = {text: name_spans.pack(spans) for text, spans in every.items()}
        names, doubtful, languages = [], [], []
        for texts, voices, _ in spoken:
            # A tool's name may be a word in another text.
            read = [t if is_searched(t, v) else None for t, v in zip(texts, voices, strict=True)]
            long = any(len(t) > NAMES_CHARACTERS_MAX for t in texts)
            unread = (
                self.unread_language(t)
                for t in read
                if t is not None and not _names_somebody(every[t])
            )
            languages.append(next(filter(None, unread), ""))
            names.append([packed[t] if t is not None else name_spans.UNREAD for t in read])
            doubtful.append(long)
        return append_columns(
            batch,
            names=(BINARIES, names),
            doubtful=(pa.bool_(), doubtful),
            **{UNREAD_LANGUAGE: (STRING, languages)},
        )


def _names_somebody(spans: Sequence[DetectedSpan]) -> bool:
    """Whether persons were found in a searched text."""
    return any(span.kind is rules.IdentifierKind.PERSON for span in spans)


def is_searched(text: str, voice: str) -> bool:
    """Whether a text is searched for names."""
    return voice != Voice.name and len(text) <= NAMES_CHARACTERS_MAX and bool(text.strip())


class NamesCleaner(Cleaner, Protocol):
    """A cleaner that takes names found elsewhere."""

    def clean_named(
        self, texts: Sequence[str], key: bytes, names: Sequence[Sequence[DetectedSpan]]
    ) -> CleanedTexts:
        """`clean`, also replacing ``names``: a list for each text."""


class DeidentifyKernel(msgspec.Struct, frozen=True, kw_only=True):
    """De-identifies the texts and adds the counts by kind. ``doubtful`` also marks texts with
    something that can be neither read nor safely cut.
    """

    cleaner: Cleaner | NamesCleaner

    @property
    def declared(self) -> Mapping[str, object]:
        return {"step": "deidentify", "rules": self.cleaner.rules, "sha256": self.cleaner.sha256}

    def __call__(self, batch: pa.RecordBatch, /) -> pa.RecordBatch:
        read = batch_texts(batch)
        texts, keys = column(batch, "texts"), column(batch, "key")
        if "names" in batch.schema.names:
            cleaner = cast("NamesCleaner", self.cleaner)  # checked by the plan
            found = (
                [name_spans.unpack(packed) for packed in own] for own in column(batch, "names")
            )
            cleaned = [cleaner.clean_named(*each) for each in zip(texts, keys, found, strict=True)]
        else:
            cleaned = [self.cleaner.clean(*each) for each in zip(texts, keys, strict=True)]
        before = (
            column(batch, "doubtful")
            if "doubtful" in batch.schema.names
            else [False] * batch.num_rows
        )
        made = loops(read.size)
        counts = word_counts(texts) if made is None else count_words(read, made)
        is_changed = any(
            list(one.texts) != own for one, own in zip(cleaned, texts, strict=True)
        )  # most batches keep their column
        return append_columns(
            batch,
            texts=(STRINGS, [one.texts for one in cleaned] if is_changed else batch["texts"]),
            replaced_kinds=(STRINGS, [list(one.replaced) for one in cleaned]),
            replaced_counts=(NUMBERS, [list(one.replaced.values()) for one in cleaned]),
            prose_words=(pa.uint64(), counts[:, 0]),
            code_words=(pa.uint64(), counts[:, 1]),
            doubtful=(
                pa.bool_(),
                [was or one.doubtful for was, one in zip(before, cleaned, strict=True)],
            ),
            changes=(
                BINARY,
                [_changes.encode(one.changes) if one.changes.changed else b"" for one in cleaned],
            ),
        )


_changes = msgspec.msgpack.Encoder()


class LabelKernel(msgspec.Struct, frozen=True, kw_only=True):
    """Adds ``language``, ``topic``, a column for each quality signal, and ``score_..`` for each
    scorer.
    """

    scorers: tuple[Scorer, ...] = ()

    @property
    def declared(self) -> Mapping[str, object]:
        scorers = {scorer.name: scorer.sha256 for scorer in self.scorers}
        return {
            "step": "label",
            "labels": 2,
            "languages": language_model.model_version(),
            "scorers": scorers,
        }

    def __call__(self, batch: pa.RecordBatch, /) -> pa.RecordBatch:
        texts = batch_texts(batch)
        if (made := loops(texts.size)) is not None:
            return append_columns(batch, **label_columns(batch, texts, made), **self._scores(batch))
        prose = _texts_of_voices(batch, PROSE)
        kinds = [ConversationKind(kind) for kind in column(batch, "kind")]
        found = qualities(prose)
        numbers = {
            signal: (
                pa.uint64() if signal == "words" else pa.float64(),
                [getattr(one, signal) for one in found],
            )
            for signal in SIGNALS
        }
        return append_columns(
            batch,
            language=(STRING, labels.languages(prose)),
            topic=(
                STRING,
                [labels.topic(kind, texts).value for kind, texts in zip(kinds, prose, strict=True)],
            ),
            **numbers,
            **self._scores(batch),
        )

    def _scores(self, batch: pa.RecordBatch) -> dict[str, tuple[pa.DataType, list[float]]]:
        if not self.scorers:
            return {}
        prose = _texts_of_voices(batch, PROSE)
        turns, sizes = [text for texts in prose for text in texts], list(map(len, prose))
        return {
            f"score_{scorer.name}": (
                pa.float64(),
                [max(own, default=0.0) for own in split_by_sizes(scorer.scores(turns), sizes)],
            )
            for scorer in self.scorers
        }


class CompareKernel(msgspec.Struct, frozen=True, kw_only=True):
    """Adds ``benchmark``: whether a turn contains a benchmark question."""

    benchmarks: Benchmarks

    @property
    def declared(self) -> Mapping[str, object]:
        return {"step": "compare", "benchmarks": self.benchmarks.sha256()}

    def __call__(self, batch: pa.RecordBatch, /) -> pa.RecordBatch:
        if not self.benchmarks.sizes:
            return append_columns(batch, benchmark=(pa.bool_(), [False] * batch.num_rows))
        messages = _texts_of_voices(batch, SPOKEN)
        held = self.benchmarks.held([text for texts in messages for text in texts])
        sizes = [len(texts) for texts in messages]
        return append_columns(
            batch, benchmark=(pa.bool_(), [any(own) for own in split_by_sizes(held, sizes)])
        )


class SplitKernel(msgspec.Struct, frozen=True, kw_only=True):
    """Adds ``split``, by account."""

    shares: Shares = Shares()

    @property
    def declared(self) -> Mapping[str, object]:
        return {"step": "split", "test": self.shares.test, "validation": self.shares.validation}

    def __call__(self, batch: pa.RecordBatch, /) -> pa.RecordBatch:
        accounts = column(batch, "account")
        drawn = {account: assign_split(account, self.shares).value for account in set(accounts)}
        return append_columns(batch, split=(STRING, [drawn[account] for account in accounts]))


class SelectKernel(msgspec.Struct, frozen=True, kw_only=True):
    """Adds ``dropped``: the first reason against a document, or empty. Held-out accounts are
    selected by the same rules.
    """

    select: Select = Select()

    @property
    def declared(self) -> Mapping[str, object]:
        return {"step": "select", **msgspec.structs.asdict(self.select)}

    def __call__(self, batch: pa.RecordBatch, /) -> pa.RecordBatch:
        refused = self.select.refused({name: numbers(batch.column(name)) for name in SIGNALS})
        judged = (column(batch, name) for name in ("benchmark", "doubtful", "topic"))
        unread = (
            column(batch, UNREAD_LANGUAGE)
            if UNREAD_LANGUAGE in batch.schema.names
            else [""] * batch.num_rows
        )
        return append_columns(
            batch, dropped=(STRING, list(map(_reason, *judged, unread, refused.tolist())))
        )


def _reason(
    benchmark: bool, doubtful: bool, topic: str, unread_language: str, is_refused: bool
) -> str:
    if benchmark:
        return LeftOut.benchmark
    if doubtful:
        return LeftOut.doubtful
    if unread_language:
        return LeftOut.unread_language
    return LeftOut.low_quality if is_refused and topic != labels.Topic.coding else ""


def _texts_of_voices(batch: pa.RecordBatch, voices: frozenset[Voice]) -> list[list[str]]:
    """For each document, its texts of these voices."""
    pairs = zip(column(batch, "texts"), column(batch, "voices"), strict=True)
    return [[t for t, v in zip(texts, own, strict=True) if v in voices] for texts, own in pairs]
