"""Releases in the console: the list, one with what was done since its seal, its sample row by row,
its replaced names; and the models that learnt from them.

    /console/releases                        every release
    ../ID                                    how it came about, who has it, and its review
    ../ID/against/ID                         what differs from another
    ../ID/sample  ../close  ../sign          draws a sample; states what was found; signs (`service.review_verbs`)
    ../ID/row                                opens the next row, recorded
    ../ID/finding                            stores its finding, and opens the next; or takes the last one back
    ../ID/slice                              opens rows by their labels, recorded
    ../ID/replacements  ../replacements/marks  opens replaced names, recorded; stores which were no names
    /console/models  ../ID                   every model; one with its run and its canary audits

Content is shown only in the responses to forms, as everywhere in the console, and cannot be
loaded again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Response
from litestar.params import FromPath

from licet.access.staff_orders import OrderKind
from licet.errors import LicetError
from licet.masked import Masked
from licet.release import (
    card,
    catalog,
    measurement,
    registry,
    release_store,
    shown_replacements,
    signatures,
)
from licet.release.diff import GONE, NEW
from licet.release.measurement import CostSlice, MeasurementStatement
from licet.release.registry import Release
from licet.release.review import ReviewFinding
from licet.release.rows import MessageShape
from licet.release.signatures import ReleaseStanding, RowShown
from licet.service import model_view, release_view
from licet.service.release_verbs import BUILD, PURGE, RECALL, RETIRE
from licet.service.release_view import ReleaseView
from licet.service.replacements import ReplacementsRead
from licet.service.review_verbs import (
    DRAW,
    FIND,
    MARK,
    OPEN_ROW,
    READ_REPLACEMENTS,
    READ_SLICE,
    SIGN,
    UNDO,
    NewSample,
    OpenRow,
    ReadReplacements,
    ReadSlice,
    find_folder,
)
from licet.service.slice_sample import SliceRead
from licet.service.staff_verb import AnyVerb, VerbCall
from licet.store.connect import transaction
from licet.vault.installation import load_policies
from licet.web.api import shared
from licet.web.console import chart
from licet.web.console import shared as shell
from licet.web.console import verb_forms as forms
from licet.web.console.shared import READS, STAFF, RouteVisit, Visit
from licet.web.console.tables import Fields, chosen_of
from licet.web.pages.shared import NO_FAULTS, Faults, get_page, post_page, seen_other

RELEASES_SHOWN_MAX = 100
STANDINGS_SHOWN_MAX = 20  # of the newest; each reads the release's folder
BUILDS = (OrderKind.build_release, OrderKind.purge_release, OrderKind.recall_export)


@get_page("/console/releases", may=STAFF)
def releases(visit: RouteVisit) -> Response[Any]:
    """The newest releases with their rows, reviews, signatures and orders."""
    return _listed(visit)


def _listed(
    visit: Visit, *, faults: Faults = NO_FAULTS, kept: Mapping[str, str] | None = None
) -> Response[Any]:
    known = load_policies(visit.installation)
    newest = catalog.list_releases(visit.installation)[: -RELEASES_SHOWN_MAX - 1 : -1]
    return shell.page(
        "console_releases.html",
        visit,
        errors=faults,
        releases=[
            (one, *(_standing(visit, one) if place < STANDINGS_SHOWN_MAX else (None, None)))
            for place, one in enumerate(newest)
        ],
        version_of={one.release_id: known[one.version].version for one in newest},
        builds=visit.allows(BUILD.may),
        purposes=sorted(known.in_force(visit.installation.clock()).covers),
        kept=kept or {"name": "", "purpose": ""},
        orders=visit.orders(*BUILDS),
    )


def _standing(visit: Visit, release: Release) -> tuple[int | None, ReleaseStanding | None]:
    """The usable rows and the state of a sealed release; None if it is not on this host."""
    if (
        release.state != "sealed"
        or (folder := release_store.find_folder(visit.installation, release)) is None
    ):
        return None, None
    return (
        release_view.usable_rows(visit.installation, release),
        signatures.get_standing(visit.installation, str(folder)),
    )


def _not_built(visit: Visit, _: str, data: Mapping[str, Any], error: LicetError) -> Response[Any]:
    kept = {name: str(data.get(name, "")) for name in ("name", "purpose")}
    return _listed(visit, faults=shell.fault("build-name", error), kept=kept)


# One release


FINDINGS = {
    ReviewFinding.nothing: "No identifier", ReviewFinding.name: "A person’s name",
    ReviewFinding.contact: "An address, a phone number, an account", ReviewFinding.place: "An identifying place",
    ReviewFinding.number: "An identifying number", ReviewFinding.secret: "A secret: a password, a key",
    ReviewFinding.other: "Another identifier"
}  # fmt: skip


if TYPE_CHECKING:
    from licet.curate.row_marks import RowMark


@get_page("/console/releases/{release:str}", may=STAFF)
def show_release(visit: RouteVisit, release: FromPath[str]) -> Response[Any]:
    """The history of a release since its seal, and its remaining steps."""
    known = release_shown(visit, release)
    folder = (
        release_store.find_folder(visit.installation, known) if known.state == "sealed" else None
    )
    seen = signatures.get_standing(visit.installation, str(folder)) if folder is not None else None
    return shell.page(
        "console_release.html",
        visit,
        title=known.name,
        release=known,
        seen=seen,
        draws=visit.allows(DRAW.may),
        may_sign=seen is not None and _may_sign(visit, seen),
        wanted=NewSample(),
        slice=ReadSlice(where="language = 'en' and words > 20"),
        seconds=signatures.rows_for_second(visit.installation, str(folder), visit.member)
        if folder
        else 0,
        names=FINDINGS,
        orders=visit.orders(*BUILDS, target=known.name),
        **_facts(visit, known, seen),
    )


def _may_sign(visit: Visit, standing: ReleaseStanding) -> bool:
    """Whether the reader's signature is missing, or lacks the identity that they have now."""
    if not visit.allows(SIGN.may) or standing.statement is None or standing.sample is not None:
        return False
    own = [signature for signature in standing.signatures if signature.email == visit.staff.email]
    if own:
        return visit.staff.identity is not None and not own[0].has_identity
    return not standing.signed_off


def _facts(visit: Visit, release: Release, standing: ReleaseStanding | None) -> dict[str, Any]:
    """Facts of a release beside its review, and the releases to compare it with."""
    if standing is None:
        return {}
    view = release_view.view(visit.installation, release)
    others = [
        other
        for other in catalog.list_releases(visit.installation)
        if other.state == "sealed" and other.release_id != release.release_id
    ]
    with transaction(visit.installation.pool) as tx:
        marked = shown_replacements.counts(tx, release.release_id)
    return {
        "marked": marked,
        "held": list(card.breakdowns(view.contents)) if view.contents else [],
        "view": view,
        "bars": chart.draw_funnel(view.candidates, view.funnel),
        "others": others[::-1],
        "measured": _measured(standing.measurement) if standing.measurement else None,
        "steps": (steps := _steps(release, standing, view)),
        "next_step": next((title for title, _, done in steps if not done), "handed out"),
        "live": chart.draw_line(view.live),
        "purges": visit.allows(PURGE.may) and view.usable < view.rows,
        "recalls": visit.allows(RECALL.may),
    }


def _steps(
    release: Release, standing: ReleaseStanding, view: ReleaseView
) -> tuple[tuple[str, str, bool], ...]:
    """The progress of a release: each step, its description, and whether it is done."""
    sample, copies = standing.sample, len(view.handouts) + len(view.exports)
    stated = standing.statement if sample is None else None
    read = f"{stated.read:,} rows" if stated else "no sample is drawn"
    if sample:
        read = f"{sample.done} of {sample.drawn} rows"
    return (
        ("Built", f"{release.sealed_at:%Y-%m-%d}, {view.rows:,} rows", True),
        ("Read", read, stated is not None and stated.read > 0),
        (
            "Measured",
            standing.measurement.measured_at[:10] if standing.measurement else "not measured",
            standing.measurement is not None,
        ),
        (
            "Signed",
            f"{len(standing.signatures)} of {standing.signatures_needed}",
            standing.signed_off,
        ),
        ("Handed out", f"{copies} copies" if copies else "to nobody", copies > 0),
    )


def _measured(
    statement: MeasurementStatement,
) -> tuple[Sequence[str], list[tuple[str, str, str, str, str, str]]]:
    """A measurement in sentences, with its costs: step, slice, rows, people, cost and interval."""
    costs = [
        (
            "De-identification"
            if cost.of == measurement.DEIDENTIFICATION
            else f"Leaving out {cost.of.replace('_', ' ')}",
            "all" if cost.slice is CostSlice.all else f"{cost.slice.value} {cost.value}",
            f"{cost.rows:,}",
            f"{cost.people:,}",
            measurement.percent(cost.cost_ppm),
            f"{measurement.percent(cost.low_ppm)} to {measurement.percent(cost.high_ppm)}",
        )
        for cost in statement.costs
    ]
    return measurement.sentences(statement), costs


@get_page("/console/releases/{release:str}/against/{other:str}", may=STAFF)
def against(visit: RouteVisit, release: FromPath[str], other: FromPath[str]) -> Response[Any]:
    """The differences between two releases: settings, counts, and rows by reason."""
    new, old = release_shown(visit, release), release_shown(visit, other)
    found = catalog.diff_releases(
        visit.installation,
        find_folder(visit.installation, old),
        find_folder(visit.installation, new),
    )
    return shell.page(
        "console_against.html",
        visit,
        title=f"{new.name} against {old.name}",
        new=new,
        old=old,
        found=found,
        why={NEW: "not there yet", GONE: "not there any more"},
    )


def _show_slice(visit: Visit, call: VerbCall[ReadSlice], read: SliceRead) -> Response[Any]:
    known = release_shown(visit, call.target)
    return shell.page(
        "console_slice.html",
        visit,
        title=f"A slice of {known.name}",
        release=known,
        read=read,
        wanted=call.sent,
    )


@post_page("/console/releases/{release:str}/finding", may=READS)
def finding(visit: RouteVisit, release: FromPath[str], data: Fields) -> Response[Any]:
    """Stores a row's finding, and opens the next row unless the reader stops; or undoes the last
    finding.
    """

    def then(visit: Visit, _: object, __: object) -> Response[Any]:
        if data.get("then") == "stop":
            return seen_other(f"/console/releases/{release}")
        return forms.take(visit, OPEN_ROW, data, release, _show_row)

    verb: AnyVerb = UNDO if data.get("then") == "undo" else FIND
    return forms.take(visit, verb, data, release, then)


def _show_row(visit: Visit, call: VerbCall[OpenRow], read: RowShown | None) -> Response[Any]:
    release, second = release_shown(visit, call.target), call.sent.second
    if read is None:
        return seen_other(f"/console/releases/{call.target}")
    return shell.page(
        "console_review.html",
        visit,
        title=f"Row {read.ordinal}",
        release=release,
        read=read,
        findings=FINDINGS,
        second=second,
        drawn=read.drawn,
        pieces=[_pieces(message["content"], own) for message, own in _marked(read)],
    )


class TextPiece(Masked, msgspec.Struct, frozen=True):
    """A piece of a text with its mark; ``mark`` is empty without one."""

    text: str
    mark: str = ""
    kind: str = ""


def _marked(read: RowShown) -> Iterator[tuple[MessageShape, list[RowMark]]]:
    # here, so that no other page waits for the rules to be compiled
    from licet.curate import row_marks

    return zip(
        read.messages,
        row_marks.marks([message["content"] for message in read.messages]),
        strict=True,
    )


def _pieces(text: str, marks: Sequence[RowMark]) -> list[TextPiece]:
    """Cuts a text at the ends of its marks."""
    found, place = list[TextPiece](), 0
    for mark in marks:
        found += [
            TextPiece(text[place : mark.start]),
            TextPiece(text[mark.start : mark.end], mark.mark.value, mark.kind),
        ]
        place = mark.end
    return [piece for piece in (*found, TextPiece(text[place:])) if piece.text]


def release_shown(visit: Visit, release: str) -> Release:
    """The release with our id; NotFoundError if there is none."""
    with transaction(visit.installation.pool) as tx:
        return registry.get(tx, shared.uuid_of(release))


# Replaced names


def _show_replacements(
    visit: Visit, call: VerbCall[ReadReplacements], read: ReplacementsRead
) -> Response[Any]:
    known = release_shown(visit, call.target)
    title = f"Replaced names of {known.name}"
    return shell.page(
        "console_replacements.html",
        visit,
        title=title,
        release=known,
        read=read,
        wanted=call.sent,
    )


@post_page("/console/releases/{release:str}/replacements/marks", may=READS)
def mark_replacements(visit: RouteVisit, release: FromPath[str], data: Fields) -> Response[Any]:
    """Records which shown replacements were no names; they are counted, and nothing is trained on
    them.
    """
    for chosen in chosen_of(data):
        row, _, place = chosen.partition(".")
        MARK.perform(forms.call_of(visit, MARK, {"row": row, "place": place}, release))
    return seen_other(f"/console/releases/{release}#replacements")


# Models


@get_page("/console/models", may=STAFF)
def models(visit: RouteVisit) -> Response[Any]:
    """Every registered model."""
    return shell.page(
        "console_models.html",
        visit,
        models=model_view.list_models(visit.installation),
    )


@get_page("/console/models/{model:str}", may=STAFF)
def show_model(visit: RouteVisit, model: FromPath[str]) -> Response[Any]:
    """A model: its training data, the rows withdrawn since, and its canary audits;
    NotFoundError.
    """
    found = model_view.show(visit.installation, model)
    return shell.page(
        "console_model.html",
        visit,
        title=f"Model {found.seen.model.name}",
        model=found.seen.model,
        affected=found.seen.affected,
        release_id=found.seen.release_id.hex,
        run=found.run,
        audits=found.audits,
        retires=visit.allows(RETIRE.may),
    )


ROUTES = (
    releases,
    forms.form_of(BUILD, refused=_not_built),
    show_release,
    against,
    forms.form_of(OPEN_ROW, _show_row),
    forms.form_of(READ_SLICE, _show_slice),
    finding,
    forms.form_of(READ_REPLACEMENTS, _show_replacements),
    mark_replacements,
    models,
    show_model,
)
