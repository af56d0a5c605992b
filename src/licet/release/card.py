"""The dataset card: README.md of a release, for people and for tools that read Hugging Face's front
matter.

A card is derived exactly from the manifest, and from a review and a measurement beside it, and
quotes their hashes, so that ``verify`` can check it. It states what is included, what was left out
and why, that rows are sealed, and that nothing is anonymous. Form:
https://huggingface.co/docs/hub/datasets-cards; counts by reason as in the manifest.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import msgspec
import yaml

from licet.release import manifest as manifests
from licet.release import measurement, review
from licet.release.manifest import (
    ACCOUNTS_MIN,
    OTHER,
    Deidentification,
    ReleaseContents,
    ReleaseManifest,
)
from licet.release.measurement import (
    DEIDENTIFICATION,
    CostSlice,
    StatedMeasurement,
    percent,
    sentences,
)
from licet.release.review import StatedReview, sentence
from licet.store.files import replacing
from licet.vault.ids import Prefix, format_id

FILE = "README.md"
_SIZES = [10**exponent for exponent in range(3, 13)]
_UNITS = ["1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T"]

_TEXT = """\
# {name}

{rows:,} rows of conversations and coding sessions that people allowed to be used for the purpose `{purpose}`.
Built {built_at} by Licet {licet} under policy {policy}, version {version}, from the journal up to
position {journal}.

## What is in, what was left out and why

Every turn that came into question was decided on its own. A turn that was left out is counted under the first reason
against it.

| turns | count |
|---|---:|
{counts}

One row holds the turns of one conversation that may be used: `messages`, in order, in the shape of OpenAI's chat
format and TRL.
{contents}
## The rows are sealed

The parts hold no readable text. Each row is sealed with AES-256-GCM under a key of its own, which can be made only
from the keys of everything the row came from. To read it, ask for a lease:

```python
import licet

for row in licet.load("{release}"):
    row["messages"]  # a list of role and content
```

A row comes out only while it may be used. A lease lasts a short while, is renewed as you read, and reading stops when
it cannot be renewed. Row keys live in memory only; anyone who stores them, or the text, takes it out of this protection.

## Pseudonymised, never anonymous

Identifiers and secrets that rules can find were replaced (rules {rules}). {names}
Nothing finds everything, and people can be recognised by what they tell. Treat every row as personal data: do not
publish it, and do not try to find out who wrote it.

| replaced | count |
|---|---:|
{replaced}

{measured}
{measurement}{reviewed}
## When somebody changes their mind

Anyone who withdraws, keeps a conversation out or deletes it need not know that this release exists. From that moment no
new lease opens the row; a lease already given ends by itself. With a deletion, or when the time to keep it is over,
the key is destroyed, and none can be made for any copy of the row; old backups of the keys follow after the delays
that the operator publishes. A row key that somebody kept from a lease still opens the copy that they kept. Read the
release through its leases each time instead of keeping what came out: what a training run has already consumed stays
consumed.

## How to check this folder

`licet release verify FOLDER` re-hashes the files, counts the rows and makes the root again.

| what | hash |
|---|---|
| `manifest.json` (SHA-256) | `{manifest_sha256}` |
| root over all rows | `{root}` |
| policy file (SHA-256) | `{policy_sha256}` |
| rules file (SHA-256) | `{rules_sha256}` |
"""


_REVIEWED = """
## What people found in a sample

{bound}

| rows | by chance | by risk |
|---|---:|---:|
{rows}

What risk chose is where a scan finds most that often identifies; it says nothing of the share. The statement is
`review.json`, signed with the key of the log (SHA-256 `{sha256}`).
"""


_MEASURED = """
## What curation costs a model

{sentences}

| what | of | rows | people | cost | from | to |
|---|---|---:|---:|---:|---:|---:|
{lines}

A cost is by how much the loss is higher with it than without; below 0 it helps. The statement is `measurement.json`,
signed with the key of the log (SHA-256 `{sha256}`).
"""


def render(
    manifest: ReleaseManifest,
    stated: StatedReview | None = None,
    measured: StatedMeasurement | None = None,
) -> str:
    """The card of ``manifest``, with the statements of a review and a measurement."""
    counts = manifest.counts
    included = {"came into question": counts.candidates, "**are in**": counts.included}
    body = _TEXT.format(
        name=_escape(manifest.name),
        rows=manifest.rows,
        purpose=manifest.purpose,
        built_at=f"{manifest.built_at:%Y-%m-%d %H:%M} UTC",
        licet=_escape(manifest.licet),
        policy=_escape(manifest.policy.name),
        version=_escape(manifest.policy.version),
        journal=manifest.journal,
        counts=_table(included | {f"left out: `{k}`": n for k, n in _by_count(counts.dropped)}),
        contents=_contents(manifest) + _refused(manifest),
        release=format_id(Prefix.release, UUID(hex=manifest.release)),
        rules=_escape(manifest.deidentification.rules),
        names=_names(manifest),
        measured=_measured(manifest.deidentification),
        replaced=_table(
            {f"`{k}`": n for k, n in _by_count(manifest.deidentification.counts)} or {"nothing": 0}
        ),
        manifest_sha256=sha256(manifests.encode(manifest)).hexdigest(),
        root=manifest.root,
        policy_sha256=manifest.policy.sha256,
        rules_sha256=manifest.deidentification.sha256,
        reviewed=_reviewed(stated) if stated else "",
        measurement=_costs(measured) if measured else "",
    )
    return f"---\n{_front_matter(manifest)}---\n\n{body}"


_CONTENTS = """
## What the rows contain

{accounts}, in turns from {first} to {last}: {bytes:,} bytes of text in UTF-8, {tokens:,} tokens. {unit}

| by | | count |
|---|---|---:|
{breakdowns}

{rule}
"""
# The same words stand in docs/release.md.
UNIT = (
    "A token is four bytes of UTF-8, rounded up once for the release: a unit that needs no "
    "tokenizer."
)
RULE = (
    f"A value is named only if rows of at least {ACCOUNTS_MIN} accounts have it. All others are "
    "counted together as "
    f"`{OTHER}`, and a release of fewer than {ACCOUNTS_MIN} accounts does not say how many."
)
_OF = {
    "kinds": "rows, kind", "languages": "rows, language", "origins": "turns, origin", "surfaces": "turns, surface",
    "plans": "turns, plan", "models": "turns of the assistant, model",
}  # fmt: skip


def breakdowns(contents: ReleaseContents) -> Iterator[tuple[str, str, int]]:
    """(property, value, count) of the contents, the most frequent value of each property first."""
    for name, of in _OF.items():
        values = getattr(contents, name)
        for value, count in _by_count(values) if values is not msgspec.UNSET else ():
            yield of, value, count


def _contents(manifest: ReleaseManifest) -> str:
    """The table of contents; empty for an older manifest without counts, or without rows."""
    contents = manifest.contents
    if contents is msgspec.UNSET or not manifest.rows:
        return ""
    lines = [f"| {of} | `{value}` | {count:,} |" for of, value, count in breakdowns(contents)]
    if contents.languages is msgspec.UNSET:
        lines.append("| rows, language | not looked for | |")
    if contents.gapped is not msgspec.UNSET:
        lines.append(f"| rows, a turn left out before a message | | {contents.gapped:,} |")
    accounts = (
        f"Fewer than {ACCOUNTS_MIN} accounts"
        if contents.accounts is None
        else f"{contents.accounts:,} accounts"
    )
    return _CONTENTS.format(
        accounts=accounts,
        first=contents.first_month,
        last=contents.last_month,
        bytes=contents.bytes,
        tokens=contents.tokens,
        unit=UNIT,
        breakdowns="\n".join(lines),
        rule=RULE,
    )


_REFUSED = """
What the rule of quality refused, of the conversations in each language that came before it; a language is named as above:

| language | conversations | refused | % |
|---|---:|---:|---:|
{lines}
"""


def _refused(manifest: ReleaseManifest) -> str:
    """The share that the quality rule refused by language; empty if nothing was judged."""
    pin = manifest.curation
    if pin is msgspec.UNSET or pin.quality is msgspec.UNSET:
        return ""
    lines = (
        (
            f"| `{language}` | {one.rows:,} | {one.refused:,} | "
            f"{100 * one.refused / max(one.rows, 1):.1f} |"
        )
        for language, one in pin.quality.items()
    )
    return _REFUSED.format(lines="\n".join(lines))


_ACCEPTED = "More words were replaced than is usual, which who built it accepted:"


def _names(manifest: ReleaseManifest) -> str:
    """How names were detected; what stayed in is stated in the notice's words."""
    made = manifest.deidentification
    allowed = (
        f"Each version of the policy up to `{_escape(manifest.policy.version)}` says "
        "`names: "
        "left in`."
    )
    left_in = "" if made.left_in is msgspec.UNSET else f"{made.left_in} {allowed}"
    accepted = (
        ""
        if made.accepted is msgspec.UNSET
        else f"{_ACCEPTED} {_escape('; '.join(made.accepted))}."
    )
    if made.names is msgspec.UNSET:
        looked_for = (
            ""
            if left_in
            else "Names, streets and places in running text were not looked for, and are all in."
        )
    else:
        found_by = " and ".join(
            f"`{pin.name}` (SHA-256 `{pin.sha256}`)" for pin in made.names.detectors
        )
        looked_for = (
            f"Names of the kinds {', '.join(made.names.kinds)} were looked for by {found_by}, in "
            "texts in"
            f" {', '.join(made.names.languages)}. {made.names.other_languages}"
        )
    return " ".join(filter(None, [looked_for, _unread(manifest), left_in, accepted]))


def _unread(manifest: ReleaseManifest) -> str:
    """The conversations left out for their language, by language; empty for none."""
    unread = manifest.deidentification.unread
    if unread is msgspec.UNSET:
        return ""
    each = (f"{count:,} in `{_escape(language)}`" for language, count in unread.items())
    return f"Conversations left out for that: {', '.join(each)}."


# The samples of the package's figures, and what they do not cover.
SAMPLES = {
    "presidio": "sentences in English that Presidio's generator made from templates; its national ids are of the United"
    " States alone: social security numbers and driving licences.",
    "wnut17": (
        "posts in English from social media, in which people labelled names, public ones too "
        "(WNUT 2017)."
    ),
}
_MESSAGES = "messages-"  # a slice of messages to an assistant, by language
_MESSAGES_SAMPLE = (
    "messages to an assistant, by language, half of them naming nobody, which the makers of Licet "
    "wrote; none of their names"
    " stands in the makers' own list of names. What others write varies more."
)
_OWN_SAMPLE = "a sample of the operator's own."
_UNSOUGHT = "Ids of countries that the rules have no form for are not looked for, and are all in."


def _measured(pin: Deidentification) -> str:
    """De-identification's measured recall and precision as a table, or that it was not measured."""
    if pin.measured is msgspec.UNSET:
        return (
            "How much of what identifies is found this way has not been measured: assume that "
            f"much is missed. {_UNSOUGHT}"
        )
    lines = [
        f"| {_escape(m.slice)} | `{m.kind}` | {_share(m.found, m.labelled)} | "
        f"{_interval(m.found, m.labelled)}"
        f" | {m.labelled:,} |"
        for m in pin.measured
    ]
    return "\n".join(
        [
            (
                "Of what was labelled in texts that no rule, list or threshold was chosen by, "
                "this share was found; `precision` is"
            ),
            (
                "the share of replaced words that were right, `95 %` the interval of Wilson. In "
                "other texts it is another share, and"
            ),
            "of what the samples do not hold nothing was measured.",
            "",
            *dict.fromkeys(_sample(m.slice) for m in pin.measured),
            "",
            _UNSOUGHT,
            "",
            "| texts | kind | share | 95 % | of |",
            "|---|---|---:|---:|---:|",
            *lines,
        ]
    )


def _sample(name: str) -> str:
    if name.startswith(_MESSAGES):
        return f"- `{_MESSAGES}..`: {_MESSAGES_SAMPLE}"
    return f"- `{name}`: {SAMPLES.get(name, _OWN_SAMPLE)}"


def _share(count: int, labelled: int) -> str:
    return f"{count / labelled:.3f}" if labelled else "-"


def _interval(count: int, labelled: int) -> str:
    """The 95 % confidence interval of a share (Wilson 1927)."""
    if not labelled:
        return "-"
    z, share = 1.96, count / labelled
    middle, width = (
        share + z * z / (2 * labelled),
        z * math.sqrt(share * (1 - share) / labelled + z * z / (4 * labelled * labelled)),
    )
    low, high = ((middle + sign * width) / (1 + z * z / labelled) for sign in (-1, 1))
    return f"{max(low, 0):.3f} to {min(high, 1):.3f}"


def write(folder: Path, manifest: ReleaseManifest) -> None:
    """Writes the card of a newly sealed release into ``folder``, durably and atomically."""
    _write(folder, render(manifest))


def rewrite(folder: Path) -> None:
    """Rewrites the card from the manifest and the statements beside it, durably and atomically."""
    _write(
        folder,
        render(
            manifests.read_manifest(folder)[0],
            review.SIGNED.read(folder),
            measurement.SIGNED.read(folder),
        ),
    )


def _write(folder: Path, text: str) -> None:
    with replacing(folder / FILE) as file:
        file.write(text.encode())


def _costs(stated: StatedMeasurement) -> str:
    statement = stated.statement
    lines = (
        f"| {cost.of if cost.of == DEIDENTIFICATION else f'leaving out `{cost.of}`'} |"
        f" {_slice(cost.slice, cost.value)} | {cost.rows:,} | {cost.people:,} | "
        f"{percent(cost.cost_ppm)} |"
        f" {percent(cost.low_ppm)} | {percent(cost.high_ppm)} |"
        for cost in statement.costs
    )
    return _MEASURED.format(
        sentences="\n".join(sentences(statement)), lines="\n".join(lines), sha256=stated.sha256
    )


def _slice(by: CostSlice, value: str) -> str:
    return "all" if by is CostSlice.all else f"{by.value} `{value}`"


def _reviewed(stated: StatedReview) -> str:
    statement = stated.statement
    rows = {
        "drawn": (statement.chance.drawn, statement.risk.drawn),
        "read": (statement.chance.read, statement.risk.read),
    }
    rows["out of reach by then"] = (statement.chance.out_of_reach, statement.risk.out_of_reach)
    for kind in sorted({*statement.chance.findings, *statement.risk.findings}):
        rows[f"with a `{kind}`"] = (
            statement.chance.findings.get(kind, 0),
            statement.risk.findings.get(kind, 0),
        )
    lines = "\n".join(f"| {label} | {one:,} | {other:,} |" for label, (one, other) in rows.items())
    return _REVIEWED.format(bound=sentence(statement.bound), rows=lines, sha256=stated.sha256)


def _front_matter(manifest: ReleaseManifest) -> str:
    front = {
        "pretty_name": manifest.name,
        "license": "other",
        "license_name": "consent-of-each-person",
        "task_categories": ["text-generation"],
        "size_categories": [_size_category(manifest.rows)],
        "tags": ["conversational", "licet", "sealed", manifest.purpose],
        "configs": [{"config_name": "default", "data_files": "part-*.parquet"}],
    }
    return yaml.safe_dump(front, sort_keys=False, allow_unicode=True)


def _size_category(rows: int) -> str:
    """Hugging Face's closed set, from `n<1K` to `n>1T`."""
    below = sum(rows >= size for size in _SIZES)
    if below == 0:
        return "n<1K"
    if below == len(_SIZES):
        return "n>1T"
    return f"{_UNITS[below - 1]}<n<{_UNITS[below]}"


def _table(numbers: Mapping[str, int]) -> str:
    return "\n".join(f"| {label} | {number:,} |" for label, number in numbers.items())


def _by_count(numbers: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(numbers.items(), key=lambda pair: (-pair[1], pair[0]))


def _escape(words: str) -> str:
    """``words`` without characters that Markdown or HTML would interpret."""
    return "".join(f"&#{ord(c)};" if c in "&<>[]()`*_|\\#!~" else c for c in words)
