"""The record of processing activities: GDPR Article 30(1), and 30(2) for processors, letter by
letter.
"""

from __future__ import annotations

from licet.legal.paper import PaperForm, PaperKind, section
from licet.policy.retention import RULES, ContentKind

CONTROLLER = section(
    "30(1)(a)",
    "Controller, joint controllers, representative and data protection officer",
    ("Name of the controller", "{stated.name}"),
    ("Address", "{stated.address}"),
    ("Contact", "{stated.contact}"),
    ("Joint controllers", "{stated.joint_controllers}"),
    ("Representative (Article 27)", "{stated.representative}"),
    ("Data protection officer", "{stated.dpo}"),
    ("System or service that this record is about", "{stated.service_name}"),
)

PURPOSES = section(
    "30(1)(b)",
    "Purposes of the processing",
    (
        "Purposes that rest on consent",
        "{policy.purposes}. Each question is asked and answered on its own, and no answer is "
        "preset. Policy {policy.document.policy}, version {policy.document.version}, effective "
        "{policy.document.effective}.",
    ),
    (
        "Running the service for the person",
        "Conversations are kept for the person for the times under (f).",
    ),
    (
        "Detecting misuse",
        "Flagged content is copied and kept for the time under (f), for the safety classifiers.",
    ),
    ("Feedback", "What a person shares with a rating is copied and kept for the time under (f)."),
    (
        "Legal claims",
        "Content under a legal hold is kept until the hold ends. A hold allows no other use.",
    ),
    (
        "Proof of consent and of erasure",
        "A log of every choice, deletion and release, without names and without content.",
    ),
    ("Legal basis of what does not rest on consent", "{stated.legal_basis}"),
)

CATEGORIES = section(
    "30(1)(c)",
    "Categories of people and of personal data",
    (
        "People",
        "Users of the service on the plans {policy.document.scope.plans}, through "
        "{policy.document.scope.surfaces}. "
        "Minimum age for training: {policy.document.min_age}.",
    ),
    ("Other categories of people", "{stated.people_categories}"),
    (
        "Persons whom users mention",
        "Conversations may be about anybody. Identifiers that rules find are replaced in releases.",
    ),
    (
        "Data",
        "Conversations and coding sessions (origins that may be used: {policy.document.origins}); "
        "feedback; choices, the "
        "notices shown and privacy signals; plan and age; flags and suggestions of misuse; who "
        "read content and why.",
    ),
    (
        "Special categories (Article 9)",
        "May occur, because people write freely. Licet does not look for them.",
    ),
)

RECIPIENTS = section(
    "30(1)(d)",
    "Categories of recipients",
    ("Recipients that the policy names", "{policy.document.recipients}"),
    ("Recipients of releases on record", "{recorded.recipients}"),
    ("Other recipients", "{stated.recipients}"),
    (
        "Staff who read content, by stated reason",
        "Readings in the log: {figures.log.content_reads}",
    ),
)

TRANSFERS = section(
    "30(1)(e)",
    "Transfers to third countries, and safeguards",
    ("Countries in which the data is stored", "{stated.storage_locations}"),
    ("Transfers and safeguards", "{stated.transfers}"),
)

_NOTES = {ContentKind.deleted: " at most after the deletion, and not used from the deletion on"}

TIMES = section(
    "30(1)(f)",
    "Time limits for erasure",
    *(
        (rule.label, f"{{policy.document.keep.{rule.key}}}{_NOTES.get(rule.kind, '')}")
        for rule in RULES
    ),
    (
        "Releases",
        (
            "A row can be opened until the earliest time limit of what it was made from. Then "
            "its key is destroyed."
        ),
    ),
    (
        "Carried out so far",
        "Conversations deleted: {figures.log.deletions}. Accounts closed: {figures.log.closures}. "
        "Certificates of erasure: {figures.log.certificates}. Keys destroyed, by cause: "
        "{figures.log.keys_destroyed}.",
    ),
)

SECURITY = section(
    "30(1)(g)",
    "Technical and organisational security measures",
    (
        "Encryption",
        (
            "Content is sealed with AES-256-GCM under keys of its own, in the database, in "
            "releases and in backups."
        ),
    ),
    (
        "Erasure",
        "Erasing destroys keys, which closes every sealed copy, in older backups once the keys of "
        "that time are destroyed too. "
        "What left in clear is recalled. A certificate says of each place what was read back, "
        "asked and answered.",
    ),
    (
        "Access",
        (
            "Content is opened only after a decision for a purpose. Readings by staff are "
            "logged with their reason."
        ),
    ),
    (
        "Pseudonymisation",
        (
            "Releases name no account. Names looked for and identifiers replaced stand in each "
            "manifest."
        ),
    ),
    (
        "Accountability",
        (
            "A public append-only log, which anybody can check. Entries at this position: "
            "{figures.log.entries}."
        ),
    ),
    ("Other measures", "{stated.security_measures}"),
)

PROCESSOR = section(
    "30(2)",
    "Processing as a processor",
    ("Controllers, and the processing for each", "{stated.processors}"),
    ("Transfers", "As under 30(1)(e)."),
    ("Security measures", "As under 30(1)(g)."),
)


def form() -> PaperForm:
    return PaperForm(
        kind=PaperKind.ropa,
        title="Record of processing activities",
        law="Regulation (EU) 2016/679 (GDPR), Article 30",
        sections=(
            CONTROLLER,
            PURPOSES,
            CATEGORIES,
            RECIPIENTS,
            TRANSFERS,
            TIMES,
            SECURITY,
            PROCESSOR,
        ),
    )
