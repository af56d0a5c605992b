"""What looks for names: how much of what people labelled it finds, how much of that is right, and how fast.

python -m bench names [FOLDER]

Trains the tagger in full (some fifteen minutes of one core), or takes the one in FOLDER. Recall is of values, covered for
four fifths by spans of any kind that is replaced, on texts that no training saw: presidio-research's synthetic data and
the test part of WNUT17. The floors are issue 7's goals; precision is of spans of a half in any labelled value. It learns
from templates of ours, set in turns of Taskmaster-4 and of OpenAssistant, and from the training part of WNUT17. Without
the data (BENCH_DATA, by default ../shared/data) or without spaCy's pipeline the rows that need them are not there.
The figures of the rules alone and of spaCy are kept in src/licet/curate/measured.json, for the cards of releases.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tools.name_tagger.__main__ import train

from bench import Row
from licet.curate import names_measure, names_spacy
from licet.curate.detect import CachedDetector, Detector, DetectorUnion
from licet.curate.kernels import NAMES_KINDS, NameKernel
from licet.curate.names import Tagger
from licet.curate.names_labelled import LabelledText, conll
from licet.curate.rules import NAMED, IdentifierKind

DATA = Path(os.environ.get("BENCH_DATA", Path(__file__).parents[2] / "shared" / "data"))
GOALS = {
    ("presidio", "person"): 0.93, ("presidio", "address"): 0.83, ("presidio", "precision"): 0.93,
    ("wnut17", "person"): 0.68,
}  # fmt: skip
CHATS = 200
KEPT = Path(names_measure.__file__).parent / names_measure.FILE  # for the cards of releases
# Public domains, dates, ages and titles are not replaced, and not counted.
_LABELS = {
    "PERSON": IdentifierKind.PERSON,
    "STREET_ADDRESS": IdentifierKind.ADDRESS,
    "GPE": IdentifierKind.PLACE,
    "ORGANIZATION": IdentifierKind.ORGANISATION,
    "EMAIL_ADDRESS": IdentifierKind.EMAIL,
    "IBAN_CODE": IdentifierKind.IBAN,
    "US_SSN": IdentifierKind.NATIONAL_ID,
    "IP_ADDRESS": IdentifierKind.IP,
    "US_DRIVER_LICENSE": IdentifierKind.NATIONAL_ID,
    "CREDIT_CARD": IdentifierKind.CARD,
    "PHONE_NUMBER": IdentifierKind.PHONE,
}


def presidio() -> list[LabelledText]:
    file = DATA / "presidio-synth" / "data__synth_dataset_v2.json.gz"
    return [
        LabelledText(
            row["full_text"],
            tuple(
                (span["start_position"], span["end_position"], _LABELS[span["entity_type"]])
                for span in row["spans"]
                if span["entity_type"] in _LABELS
            ),
        )
        for row in json.loads(gzip.decompress(file.read_bytes()))
    ]


def labelled() -> dict[str, list[LabelledText]]:
    """The slices, by name: of nothing that the tagger learns from."""
    if not DATA.is_dir():
        return {}
    return {"presidio": presidio(), "wnut17": conll(DATA / "wnut17" / "emerging.test.annotated")}


def turns() -> list[str]:
    """Real turns for templates to stand in."""
    said = []
    for file in sorted((DATA / "taskmaster4").glob("*.json.gz"))[:2]:
        for dialogue in json.loads(gzip.decompress(file.read_bytes())):
            said += [one["text"] for one in dialogue["utterances"]]
    messages = DATA / "oasst-samples" / "model__model_eval__manual__data__en_100_message.jsonl.gz"
    said += [json.loads(line)["text"] for line in gzip.decompress(messages.read_bytes()).splitlines()]
    return [text.replace("\n", " ") for text in said]


def chats() -> list[str]:
    """What people wrote to an assistant, from another source than the turns."""
    file = DATA / "hh-rlhf-harmless-test" / "data.jsonl.gz"
    rows = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()[:CHATS]]
    return [row["chosen"] for row in rows]


def trained(folder: Path) -> Iterator[Row]:
    """Trains into ``folder``, as `python -m tools.name_tagger` does."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        learnt = [DATA / "wnut17" / "wnut17train.conll"] if DATA.is_dir() else []
        file.write("\n".join(turns() if DATA.is_dir() else []))
        file.flush()
        started = time.process_time()
        made = train(folder, conll=learnt, turns=Path(file.name))
    seconds = time.process_time() - started
    yield Row(f"train the tagger, {made.steps:,} steps over {made.texts:,} texts, CPU s", f"{seconds:,.0f}")


def figures(name: str, detector: Detector, slices: Mapping[str, Sequence[LabelledText]]) -> Iterator[Row]:
    """Recall and precision, and the speed."""
    cached = CachedDetector(DetectorUnion((detector,)) if not isinstance(detector, DetectorUnion) else detector)
    size = sum(len(one.text.encode()) for texts in slices.values() for one in texts)
    started = time.process_time()
    for texts in slices.values():
        cached.detect([one.text for one in texts], NAMES_KINDS)
    first = time.process_time() - started
    started = time.process_time()
    for texts in slices.values():
        cached.detect([one.text for one in texts], NAMES_KINDS)
    again = time.process_time() - started
    yield Row(
        f"{name}: MB a second and core; again, from the cache",
        f"{size / first / 1e6:.3f}",
        f"{size / again / 1e6:,.0f}",
    )
    for kinds in (NAMES_KINDS, NAMED):
        named = NameKernel(detector=cached, kinds=kinds)
        told = "all kinds" if kinds == NAMED else " and ".join(kinds)
        made = names_measure.measured(named, slices)
        if slices and "tagger" not in detector.name:
            names_measure.write(KEPT, {names_measure.key(named): made})
        for one in made:
            if one.kind == names_measure.PRECISION or one.kind in NAMED:
                goal = GOALS.get((one.slice, one.kind), 0.0)
                share = one.found / max(one.labelled, 1)
                floor = [f"{goal:.2f}", f"{share / goal:.2f}"] if goal else ["", ""]
                yield Row(f"  {told}; {one.slice}, {one.kind}, of {one.labelled:,}", f"{share:.3f}", *floor)
        if slices:
            out = sum(any(map(named.doubts, named.found([text]))) for text in chats())
            yield Row(f"  {told}; conversations left out as doubtful, %, of {CHATS}", f"{100 * out / CHATS:.1f}")


def main(arguments: list[str]) -> list[Row]:
    """Rows of what, figure, floor and ratio."""
    rows: list[Row] = []
    slices = labelled()
    if slices:
        names_measure.write(KEPT, {names_measure.key(None): names_measure.measured(None, slices)})
    with tempfile.TemporaryDirectory() as made:
        folder = Path(arguments[0]) if arguments else Path(made) / "tagger"
        if not arguments:
            rows += trained(folder)
        tagger: Detector = Tagger.read(folder)
        rows += figures("tagger", tagger, slices)
        if names_spacy.installed():
            spacy: Detector = names_spacy.Spacy.read()
            rows += figures("spaCy small", spacy, slices)
            rows += figures("both", DetectorUnion((tagger, spacy)), slices)
    return rows


if __name__ == "__main__":
    for row in main(sys.argv[1:]):
        print(" | ".join(row))
