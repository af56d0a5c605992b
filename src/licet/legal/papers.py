"""Makes papers at a position of the log, lists and compares them, and writes them as files.

The same position, answers and version of Licet give the same bytes: a paper's only time is that of
the last counted entry, and its signature is deterministic. A paper is stored with its leaf in one
transaction; making it again finds it and writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from licet.consent import controller as controllers
from licet.errors import NotFoundError, RefusedError
from licet.ledger import jws
from licet.legal import figures, paper_pages
from licet.legal.figures import LogPosition, LogReading
from licet.legal.paper import (
    JWS_TYPE,
    TYPE,
    VERSION,
    PaperForm,
    PaperKind,
    get_value,
    list_placeholders,
    list_statements,
    load_form,
)
from licet.policy.period import instant, rfc3339
from licet.proof import documents, legal_documents
from licet.proof.legal_documents import KeptDocument
from licet.release import registry
from licet.store.connect import Transaction, transaction
from licet.train import model_registry, recipients
from licet.vault import policy_versions
from licet.vault.ids import Prefix, parse
from licet.vault.installation import Installation


class MadePaper(msgspec.Struct, frozen=True, kw_only=True):
    """A paper: its hash in the log, its log position, and its open questions.

    ``kept`` is false for a dry run; ``again``: the same paper existed already.
    """

    kind: str
    position: str
    sha256: str
    to_be_provided: tuple[str, ...]
    releases: int
    kept: bool
    again: bool
    document: str

    @property
    def payload(self) -> dict[str, Any]:
        return decode_unverified(self.document)


class ListedPaper(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    position: str
    sha256: str
    made_at: str
    made_by: str


class PaperChange(msgspec.Struct, frozen=True, kw_only=True):
    """A value that differs between two papers, by path; None if absent."""

    place: str
    before: str | None
    after: str | None


class PaperDiff(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    before: str
    after: str
    changes: tuple[PaperChange, ...]


def make(
    installation: Installation,
    kind: PaperKind,
    *,
    actor: str,
    log_position: str | None = None,
    releases: Sequence[str] = (),
    dry_run: bool = False,
) -> MadePaper:
    """Makes and stores a paper at a log position (`figures.parse_position`), about all or the given
    releases.
    """
    position = figures.parse_position(installation, log_position)
    scope = tuple(_release_id(installation, name) for name in releases) or None
    read = figures.read_log(installation, position, scope)
    with transaction(installation.pool) as tx:
        content = build_payload(installation, tx, load_form(kind), read, scope)
        document = jws.sign(content, installation.keyring.log_seed(tx), JWS_TYPE)
        document_row = KeptDocument(
            sha256=legal_documents.hash_of(document),
            kind=kind.value,
            log_year=position.year,
            entries=position.size,
            made_at=installation.clock(),
            made_by=actor,
            document=document,
        )
        is_new = not dry_run and legal_documents.keep(tx, document_row)
    return MadePaper(
        kind=kind.value,
        position=str(position),
        sha256=document_row.sha256,
        to_be_provided=tuple(_open_questions(content)),
        releases=len(read.figures.releases),
        kept=not dry_run,
        again=not dry_run and not is_new,
        document=document,
    )


def build_payload(
    installation: Installation,
    tx: Transaction,
    form: PaperForm,
    read: LogReading,
    scope: Sequence[str] | None,
) -> dict[str, Any]:
    """The payload to sign: the form with all values that its answers name."""
    number, sha256 = read.policy
    text = policy_versions.texts(tx, [bytes.fromhex(sha256)]).get(bytes.fromhex(sha256))
    if text is None:
        raise RefusedError(
            f"policy version `{number}`, which the log names, is not in the database",
            "give a later position: the database was restored from before it",
            because="no_policy",
        )
    policy = msgspec.json.decode(text)
    return {
        "v": VERSION,
        "type": TYPE,
        "kind": form.kind.value,
        "title": form.title,
        "law": form.law,
        "at": {"log": read.logs[-1].origin, "entries": read.position.size, "time": read.time},
        "logs": msgspec.to_builtins(read.logs),
        "scope": list(scope) if scope else None,
        "policy": {
            "number": number,
            "sha256": sha256,
            "purposes": _purposes(policy),
            "document": policy,
        },
        "figures": msgspec.to_builtins(read.figures),
        "recorded": _database_records(tx, read),
        "stated": list_statements(controllers.read_controller(installation.config.controller)),
        "sections": msgspec.to_builtins(form.sections),
    }


def _purposes(policy: Mapping[str, Any]) -> list[str]:
    questions = policy["choice"] if isinstance(policy["choice"], list) else [policy["choice"]]
    return sorted({purpose for question in questions for purpose in question["covers"]})


def _database_records(tx: Transaction, read: LogReading) -> dict[str, Any]:
    """The database's records as of the last entry, which no log proves."""
    at = instant(read.time)
    within = {release.name for release in read.figures.releases}
    models = [model for model in model_registry.recorded_until(tx, at) if model.release in within]
    releases = [
        f"{recipient}: release {release}"
        for recipient, release in recipients.given_until(tx, at)
        if release in within
    ]
    return {
        "models": [
            f"{model.name} ({model.recipe}, {model.rows} rows of release {model.release})"
            for model in models
        ],
        "first_used": min((rfc3339(model.started_at)[:10] for model in models), default=None),
        "recipients": releases,
    }


def _release_id(installation: Installation, name: str) -> str:
    with transaction(installation.pool) as tx:
        known = registry.find(tx, name)
    if known is None and name.startswith("rel_"):
        return parse(Prefix.release, name).hex
    if known is None:
        raise NotFoundError(f"no release `{name}`", "`licet status` lists the releases")
    return known.release_id.hex


def _open_questions(stated: Mapping[str, Any]) -> Iterator[str]:
    """The operator's missing answers, in the paper's order."""
    names = [
        name
        for section in stated["sections"]
        for line in section["lines"]
        for name in list_placeholders(line["says"])
    ]
    for name in dict.fromkeys(names):
        if name.startswith("stated.") and get_value(stated, name) is None:
            yield name.removeprefix("stated.")


def decode_unverified(document: str) -> dict[str, Any]:
    """Decodes a paper's payload without verifying its signature."""
    content: dict[str, Any] = msgspec.json.decode(jws.decode_unverified(document))
    return content


def render(installation: Installation, paper: str, form: str) -> bytes:
    """Renders a stored paper as `markdown`, `html` or `json`, the file for `licet verify document`,
    which has its proof once its leaf is in the log. ``paper`` is the beginning of its hash, or a
    kind, whose newest it is; NotFoundError.
    """
    with transaction(installation.pool) as tx:
        newest = legal_documents.newest(tx, paper, 1)
        stored = newest[0] if newest else legal_documents.get(tx, paper)
        if form == "json":
            seed = installation.keyring.log_seed(tx)
            return legal_documents.encode_file(tx, documents.place(installation), seed, stored)
    render_text = paper_pages.render_markdown if form == "markdown" else paper_pages.render_html
    return render_text(decode_unverified(stored.document), stored.sha256).encode()


def list_papers(installation: Installation, kind: PaperKind | None = None) -> list[ListedPaper]:
    """Newest first."""
    with transaction(installation.pool) as tx:
        papers = legal_documents.list_newest(tx, kind.value if kind else None)
    return [
        ListedPaper(
            kind=document.kind,
            position=str(LogPosition(year=document.log_year, size=document.entries)),
            sha256=document.sha256,
            made_at=rfc3339(document.made_at),
            made_by=document.made_by,
        )
        for document in papers
    ]


def diff(
    installation: Installation, kind: PaperKind, before: str | None = None, after: str | None = None
) -> PaperDiff:
    """Compares two papers of a kind, by hash; by default the last two."""
    with transaction(installation.pool) as tx:
        newest = legal_documents.newest(tx, kind.value, 2)
        if (before is None or after is None) and len(newest) < 2:
            raise NotFoundError(
                f"there are not two papers `{kind.value}` to compare",
                f"`licet document make {kind.value}` makes one",
            )
        old = legal_documents.get(tx, before) if before else newest[1]
        new = legal_documents.get(tx, after) if after else newest[0]
    for document in (old, new):
        if document.kind != kind.value:
            raise RefusedError(
                f"`{document.sha256[:12]}` is a paper `{document.kind}`",
                "compare two of a kind",
                because="kind",
            )
    sides = [dict(_flatten(decode_unverified(document.document))) for document in (old, new)]
    changes = [
        PaperChange(place=place, before=sides[0].get(place), after=sides[1].get(place))
        for place in sorted({*sides[0], *sides[1]})
        if sides[0].get(place) != sides[1].get(place)
    ]
    return PaperDiff(kind=kind.value, before=old.sha256, after=new.sha256, changes=tuple(changes))


def _flatten(value: Any, at: str = "") -> Iterator[tuple[str, str]]:  # noqa: ANN401 a value of JSON
    """Each scalar with its path. Sections are keyed by number, so that a new one moves no other."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flatten(inner, f"{at}.{key}" if at else key)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            name = (
                (inner.get("number") or inner.get("release") or number)
                if isinstance(inner, dict)
                else number
            )
            yield from _flatten(inner, f"{at}[{name}]")
    else:
        yield at, paper_pages.format_value(value, at)
