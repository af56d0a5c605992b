"""Names found by larger models that a hub gives out, where their weights lie in a folder of this machine.

Two adapters, with nothing of them loaded until a text is detected: `TokenClassifier` serves any token classifier of
`transformers` whose labels are those of the table below, `openai/privacy-filter` (Apache-2.0, transformers 5.12 or
newer) first of all; `Gliner` serves a GLiNER, which is asked for kinds by name. Weights are read from a folder and
never fetched: what a release was made with must be there when somebody asks. They are named by a hash over the folder.

Promises: each text is read by itself; a long one in windows that overlap, where each token takes its label from the
window in which it stands deepest.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from licet.curate.detect import DetectedSpan, merged, sound
from licet.curate.processors import torch_device
from licet.curate.rules import IdentifierKind
from licet.errors import InputError, NotInstalledError, UsageError

SCORE_MIN = 0.15
WINDOW_TOKENS = 512
OVERLAP_TOKENS = 64
GLINER_WINDOW_CHARACTERS = 1_200  # about the 384 words that its models were made for
GLINER_OVERLAP_CHARACTERS = 200
# Labels without their B-, I-, E- or S-, in small letters. E-mail addresses, numbers and secrets are the rules'.
KINDS: Mapping[str, IdentifierKind] = {
    "private_person": IdentifierKind.PERSON,
    "person": IdentifierKind.PERSON,
    "per": IdentifierKind.PERSON,
    "name": IdentifierKind.PERSON,
    "private_address": IdentifierKind.ADDRESS,
    "address": IdentifierKind.ADDRESS,
    "street_address": IdentifierKind.ADDRESS,
    "location": IdentifierKind.PLACE,
    "loc": IdentifierKind.PLACE,
    "gpe": IdentifierKind.PLACE,
    "organization": IdentifierKind.ORGANISATION,
    "organisation": IdentifierKind.ORGANISATION,
    "org": IdentifierKind.ORGANISATION,
}
_ASKED = {
    "person": IdentifierKind.PERSON,
    "street address": IdentifierKind.ADDRESS,
    "location": IdentifierKind.PLACE,
    "organization": IdentifierKind.ORGANISATION,
}


def hashed(folder: Path) -> str:
    """The hash over every file of ``folder``; UsageError where there is no folder with a `config`."""
    if not any((folder / name).is_file() for name in ("config.json", "gliner_config.json")):
        raise UsageError(f"`{folder}` holds no model", "name the folder of a model, with its `config.json`")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    whole = sha256()
    for path in files:
        whole.update(path.relative_to(folder).as_posix().encode() + b"\0")
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                whole.update(block)
    return whole.hexdigest()


class TokenClassifier(msgspec.Struct, frozen=True):
    """A token classifier of `transformers` in ``folder``."""

    folder: Path
    sha256: str
    name: str = "privacy-filter"

    @classmethod
    def read(cls, folder: Path) -> TokenClassifier:
        return cls(folder, hashed(folder))

    def detect(self, texts: Sequence[str], kinds: Sequence[IdentifierKind]) -> list[list[DetectedSpan]]:
        """The spans of each text, in order."""
        model = _classifier(self.folder, self.sha256)
        return [model.spans(text, kinds, self.name) if text.strip() else [] for text in texts]


class Gliner(msgspec.Struct, frozen=True):
    """A GLiNER in ``folder``."""

    folder: Path
    sha256: str
    name: str = "gliner"

    @classmethod
    def read(cls, folder: Path) -> Gliner:
        return cls(folder, hashed(folder))

    def detect(self, texts: Sequence[str], kinds: Sequence[IdentifierKind]) -> list[list[DetectedSpan]]:
        """The spans of each text, in order."""
        model = _gliner(self.folder, self.sha256)
        return [_asked(model, text, kinds, self.name) if text.strip() else [] for text in texts]


@cache
def _classifier(folder: Path, expected: str) -> _Classifier:
    _unchanged(folder, expected)
    return _Classifier(folder)


def _unchanged(folder: Path, expected: str) -> None:
    if hashed(folder) != expected:
        raise InputError("the model's files changed while they were in use", file=str(folder))


class _Classifier:
    def __init__(self, folder: Path) -> None:
        try:
            import torch
            from transformers import AutoModelForTokenClassification, AutoTokenizer
        except ImportError:
            raise NotInstalledError("transformers", "train") from None
        self._torch: Any = torch
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModelForTokenClassification.from_pretrained(folder, local_files_only=True)
        self._device = torch_device(torch)
        self._model: Any = model.to(self._device).eval()
        labels = {int(number): str(label) for number, label in self._model.config.id2label.items()}
        self._kinds = {number: KINDS.get(label.partition("-")[2].lower()) for number, label in labels.items()}
        if not any(self._kinds.values()):
            raise InputError("none of the model's labels is known here", file=str(folder / "config.json"))

    def spans(self, text: str, kinds: Sequence[IdentifierKind], rule: str) -> list[DetectedSpan]:
        """Tokens of a kind that follow one another are a span; its score is that of its likeliest token."""
        encoded = self._tokenizer(sound(text), add_special_tokens=False, return_offsets_mapping=True)
        found = self._likely(encoded["input_ids"], kinds)
        out: list[DetectedSpan] = []
        for (start, end), (kind, score) in zip(encoded["offset_mapping"], found, strict=True):
            if kind is None or score < SCORE_MIN or start == end:
                continue
            last = out[-1] if out else None
            if last and last.kind is kind and not text[last.end : start].strip():
                out[-1] = DetectedSpan(last.start, end, kind, max(last.score, score), rule)
            else:
                out.append(DetectedSpan(start, end, kind, score, rule))
        return merged(s for s in (_stripped(text, span) for span in out) if s.start < s.end)

    def _likely(self, ids: Sequence[int], kinds: Sequence[IdentifierKind]) -> list[tuple[IdentifierKind | None, float]]:
        """Of each token the likeliest kind and how likely it is."""
        found: list[tuple[IdentifierKind | None, float]] = [(None, 0.0)] * len(ids)
        depths = [-1] * len(ids)
        start = 0
        while start < len(ids):
            end = min(start + WINDOW_TOKENS, len(ids))
            for place, one in enumerate(self._window(list(ids[start:end]), kinds), start):
                depth = min(place - start, end - 1 - place)
                if depth > depths[place]:
                    found[place], depths[place] = one, depth
            if end == len(ids):
                break
            start = end - OVERLAP_TOKENS
        return found

    def _window(self, ids: list[int], kinds: Sequence[IdentifierKind]) -> list[tuple[IdentifierKind | None, float]]:
        opens, closes = self._tokenizer.cls_token_id, self._tokenizer.sep_token_id
        before = [] if opens is None else [opens]
        fed = [[*before, *ids, *([] if closes is None else [closes])]]
        with self._torch.inference_mode():
            known = self._model(input_ids=self._torch.tensor(fed, device=self._device)).logits
        logits = known[0, len(before) : len(before) + len(ids)].cpu()
        out: list[tuple[IdentifierKind | None, float]] = []
        for row in logits.float().softmax(-1).tolist():
            likely: dict[IdentifierKind, float] = dict.fromkeys(kinds, 0.0)
            for number, share in enumerate(row):
                kind = self._kinds[number]
                if kind in likely:
                    likely[kind] += share
            out.append((max(likely, key=lambda k: likely[k]), sum(likely.values())))
        return out


def _stripped(text: str, span: DetectedSpan) -> DetectedSpan:
    """The span without blanks at its ends, which byte-level vocabularies count to a word."""
    value = text[span.start : span.end]
    start = span.start + len(value) - len(value.lstrip())
    return msgspec.structs.replace(span, start=start, end=max(start, span.start + len(value.rstrip())))


@cache
def _gliner(folder: Path, expected: str) -> Any:  # noqa: ANN401 -- optional, and its types with it
    try:
        models = importlib.import_module("gliner")
    except ImportError:
        raise UsageError("`gliner` is not installed", "install the package `gliner`") from None
    _unchanged(folder, expected)
    return models.GLiNER.from_pretrained(str(folder), local_files_only=True)


def _asked(model: Any, text: str, kinds: Sequence[IdentifierKind], rule: str) -> list[DetectedSpan]:  # noqa: ANN401 -- as above
    found = []
    asked = [label for label, kind in _ASKED.items() if kind in kinds]
    step = GLINER_WINDOW_CHARACTERS - GLINER_OVERLAP_CHARACTERS
    for start in range(0, max(len(text) - GLINER_OVERLAP_CHARACTERS, 1), step):
        part = sound(text)[start : start + GLINER_WINDOW_CHARACTERS]
        for one in model.predict_entities(part, asked, threshold=SCORE_MIN):
            kind = _ASKED[one["label"]]
            if one["start"] < one["end"]:
                found.append(DetectedSpan(start + one["start"], start + one["end"], kind, float(one["score"]), rule))
    return merged(found)
