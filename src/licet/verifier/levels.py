"""The level of every field of every artefact: one table, the source for texts, JSON and
docs/verify.md.

Proved: follows from the signed log and what it commits to. Even if the holder of the log's key
rewrites the artefact, signs it and logs its new hash, a changed proved field is contradicted by
other entries, an earlier commitment or the files. Consistent: agrees with the rest or with the
form, and could have been invented with it. Stated: the operator's word, which is signed, and in the
log by its hash at most.

A field is named by the keys that lead to it: `[]` for each element of a list, `*` for any key, and
a final `**` for everything below. An artefact with a field that has no level is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from licet.verifier.answer import LEVELS, ContradictionError, Verdict

FIELDS: dict[str, dict[Verdict, str]] = {
    "receipt": {
        Verdict.proved: """
            receipt_id dct:identifier dpv:hasIdentifier record.record_id record.pii_principal_id
            record.privacy_notice.notice_id record.privacy_notice.version record.privacy_notice.language
            record.privacy_notice.sha256 record.privacy_notice.presented_as.*
            record.processes[].name record.processes[].purpose record.processes[].retention_period
            record.processes[].recipient_third_parties[] record.processes[].scope
            record.policy.policy record.policy.version record.policy.sha256 record.policy.document.**
            record.events[].event_id record.events[].event_time record.events[].entity_id record.events[].event_state
            record.events[].indication_method record.events[].allow record.events[].effect record.events[].because
            record.events[].grant record.events[].question record.events[].scope record.events[].of
            record.events[].kept[].grant log.**""",
        Verdict.consistent: """
            @context[] @type schema_version record.@type record.schema_version record.privacy_notice.@type
            record.events[].event_type record.events[].validity_duration replaces
            record.processes[].processing_method[] record.processes[].pii_controllers[]
            record.events[].kept[].scope record.events[].kept[].of""",
        Verdict.stated: """
            created record.jurisdiction[] record.privacy_rights[] record.parties[].* record.processes[].lawful_basis
            record.processes[].pii_information[].* record.processes[].storage_locations[]
            record.processes[].withdrawal_method""",
    },
    "certificate": {
        Verdict.proved: "verified",
        Verdict.consistent: "v type requested fenced shredded swept",
        Verdict.stated: """
            erasure account conversation cause salt places[].place places[].reference places[].registered places[].copies
            places[].done places[].kept_until places[].read_back places[].read_back.* places[].recalled
            places[].recalled.* places[].answered places[].answered.* recipients[].* hosts[].* backups[].*
            backups_out_of_reach""",
    },
    "manifest": {
        Verdict.proved: """
            release purpose built_at policy.* rows parts[].* root proof.*.* base.release base.root base.rows""",
        Verdict.consistent: """
            format counts.candidates counts.included counts.dropped.* base.carried base.rebuilt base.dropped
            contents.accounts contents.origins.* contents.surfaces.* contents.plans.* contents.tokens""",
        Verdict.stated: """
            name journal licet deidentification.rules deidentification.sha256 deidentification.counts.*
            deidentification.names.detectors[].* deidentification.names.kinds[] deidentification.names.languages[]
            deidentification.names.other_languages deidentification.unread.*
            deidentification.accepted[]
            deidentification.measured[].* deidentification.left_in contents.first_month contents.last_month contents.bytes
            contents.gapped contents.kinds.* contents.languages.* contents.models.* curation.plan curation.splits.*[][]
            curation.quality.*.*""",
    },
    "policies": {Verdict.proved: "**"},
    "candidates": {
        Verdict.consistent: "v conversation in out.* salted.*",
    },
    "rows": {
        Verdict.proved: "v question policy_sha256 until",
        Verdict.consistent: """
            ordinal row_id sealed_sha256 conversation who project last_on sources[].grant sources[].narrowing
            sources[].widening sources[].keep_until sources[].because""",
        Verdict.stated: """
            marks[][] sources[].segment sources[].place sources[].turns.* sources[].mark sources[].last_on
            sources[].said_on""",
    },
    "addendum": {
        Verdict.proved: """
            release number before purged_at parts[].file parts[].was parts[].after parts[].after.* parts[].gone[][]""",
        Verdict.consistent: "format",
    },
    "review": {
        Verdict.proved: "release manifest_sha256 closed_at",
        Verdict.consistent: "v type chance.drawn risk.drawn bound.*",
        Verdict.stated: """
            review drawn_at readers chance.read chance.out_of_reach chance.findings.* risk.read risk.out_of_reach
            risk.findings.*""",
    },
    "measurement": {
        Verdict.proved: "release manifest_sha256 measured_at",
        Verdict.consistent: "v type confidence_percent",
        Verdict.stated: "rows held_out.* model.* code.* words.* costs[].*",
    },
    "document": {
        Verdict.proved: """
            kind title law at.* logs[].* policy.number policy.sha256 policy.purposes[] policy.document.** sections.**
            figures.log.** figures.totals.releases figures.totals.uncounted figures.totals.rows figures.totals.user_data
            figures.totals.purged_rows figures.releases[].release figures.releases[].manifest_sha256
            figures.releases[].purpose figures.releases[].sealed_at figures.releases[].rows
            figures.releases[].purged_rows""",
        Verdict.consistent: """
            v type figures.totals.turns figures.totals.dropped.* figures.totals.origins.* figures.totals.surfaces.*
            figures.totals.plans.* figures.releases[].candidates figures.releases[].turns figures.releases[].dropped
            figures.releases[].dropped.* figures.releases[].contents.accounts figures.releases[].contents.origins.*
            figures.releases[].contents.surfaces.* figures.releases[].contents.plans.*
            figures.releases[].contents.tokens""",
        Verdict.stated: """
            scope scope[] recorded.** stated.** figures.totals.bytes figures.totals.tokens figures.totals.size_bin
            figures.totals.first_month figures.totals.last_month figures.totals.replaced.* figures.totals.kinds.*
            figures.totals.languages.* figures.totals.models.* figures.totals.reviewed_rows figures.totals.findings
            figures.releases[].name figures.releases[].replaced figures.releases[].replaced.*
            figures.releases[].names_looked_for figures.releases[].reviewed_rows figures.releases[].findings
            figures.releases[].contents figures.releases[].contents.first_month figures.releases[].contents.last_month
            figures.releases[].contents.bytes figures.releases[].contents.gapped figures.releases[].contents.kinds.*
            figures.releases[].contents.languages.* figures.releases[].contents.models.*""",
    },
    "card": {Verdict.stated: "**"},
    "croissant": {Verdict.stated: "**"},
    "model": {
        Verdict.consistent: """
            _type predicateType subject[].name subject[].digest.sha256 predicate.buildDefinition.buildType
            predicate.buildDefinition.resolvedDependencies[].* predicate.buildDefinition.resolvedDependencies[].digest.sha256
            predicate.buildDefinition.resolvedDependencies[].annotations.* predicate.runDetails.byproducts[].name
            predicate.runDetails.byproducts[].digest.sha256""",
        Verdict.stated: """
            predicate.buildDefinition.externalParameters.** predicate.buildDefinition.internalParameters
            predicate.runDetails.builder.** predicate.runDetails.metadata.* predicate.runDetails.byproducts[].annotations.*""",
    },
}  # fmt: skip
ELEMENT, ANY, BELOW = "[]", "*", "**"


@lru_cache
def levels_by_field(artefact: str) -> dict[str, Verdict]:
    """The level of each field that the artefact may have, by its name."""
    return {name: level for level, names in FIELDS[artefact].items() for name in names.split()}


def _keys_of(name: str) -> list[str]:
    return name.replace("[]", ".[]").split(".")


@lru_cache
def _field_tree(artefact: str) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name in levels_by_field(artefact):
        node = tree
        for key in _keys_of(name):
            node = node.setdefault(key, {})
        node[""] = name
    return tree


def _field_names(
    value: object, node: dict[str, Any], path: str
) -> Iterator[tuple[str, str | None]]:
    """Yields the path of each scalar and empty list or mapping, and its field in the table, or
    None.
    """
    if BELOW in node:
        yield path, node[BELOW][""]
    elif isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _field_names(
                inner, node.get(key, node.get(ANY, {})), f"{path}.{key}" if path else str(key)
            )
    elif isinstance(value, list) and value:
        for inner in value:
            yield from _field_names(inner, node.get(ELEMENT, {}), f"{path}{ELEMENT}")
    elif "" in node:
        yield path, node[""]
    elif isinstance(value, dict | list) and node:
        yield from ((path, name) for name in _names_below(node))
    else:
        yield path, None


def _names_below(node: dict[str, Any]) -> Iterator[str]:
    for key, inner in node.items():
        if key:
            yield from _names_below(inner)
        else:
            yield inner


def levels_of(artefact: str, value: object, place: str) -> dict[str, Verdict]:
    """The level of each field that ``value`` has; `ContradictionError` for a field without one."""
    table, fields = levels_by_field(artefact), set[str]()
    for at, name in _field_names(value, _field_tree(artefact), ""):
        if name is None:
            raise ContradictionError(place, f"it has the fields of its kind, and no other: `{at}`")
        fields.add(name)
    return {name: level for name, level in table.items() if name in fields}


def short_names(names: Iterable[str], excluded: Iterable[str]) -> list[str]:
    """The names, merging those of a mapping or list that contains none of ``excluded``."""
    taken = {
        tuple(_keys_of(name)[:end])
        for name in excluded
        for end in range(1, len(_keys_of(name)) + 1)
    }
    short: dict[str, None] = {}
    for name in names:
        keys = _keys_of(name)
        end = next(
            (end for end in range(1, len(keys)) if tuple(keys[:end]) not in taken), len(keys)
        )
        short[".".join(keys[:end]).replace(".[]", "[]").removesuffix("[]")] = None
    return list(short)


def level_lines(fields: dict[str, dict[str, Verdict]]) -> list[str]:
    """One line for each artefact and level, from the best level to the worst."""
    lines = []
    for artefact, levels in fields.items():
        for level in LEVELS:
            own = [name for name, other in levels.items() if other is level]
            if own:
                others = [name for name, other in levels.items() if other is not level]
                lines.append(
                    f"  fields of {artefact}, {level}: {', '.join(short_names(own, others))}"
                )
    return lines


def stated_line(fields: dict[str, dict[str, Verdict]]) -> list[str]:
    """The merely stated fields, in at most one line."""
    stated = []
    for artefact, levels in fields.items():
        own = [name for name, level in levels.items() if level is Verdict.stated]
        if own:
            others = [name for name, level in levels.items() if level is not Verdict.stated]
            short = [name.rpartition(".")[2] for name in short_names(own, others)]
            stated.append(f"{artefact}: {', '.join(dict.fromkeys(short))}")
    return [f"stated by the operator, not proved: {'; '.join(stated)}"] if stated else []
