"""California's risk assessment before training on personal information: 11 CCR 7150 and 7152.

Contains the items of section 7152(a) that facts of an installation bear on; the weighing is the
operator's.
"""

from __future__ import annotations

from licet.legal.paper import PaperForm, PaperKind, section

SECTIONS = (
    section(
        "(a)(1)",
        "Purpose of the processing",
        ("Business", "{stated.name}, {stated.contact}"),
        ("System", "{stated.service_name}: {stated.service_description}"),
        ("Specific purposes", "{policy.purposes}"),
    ),
    section(
        "(a)(2)",
        "Categories of personal information",
        (
            "Categories",
            (
                "Conversations and coding sessions, of which these origins may be used: "
                "{policy.document.origins}"
            ),
        ),
        (
            "Sensitive personal information",
            "May occur, because people write freely. Known to occur: {stated.sensitive_data}",
        ),
        (
            "Minimum necessary",
            "Turns that came into question and were left out, by the first reason: "
            "{figures.totals.dropped}. Identifiers replaced: {figures.totals.replaced}.",
        ),
    ),
    section(
        "(a)(3)",
        "Operational elements",
        (
            "Collection, use, disclosure and retention",
            "Used in releases, sealed, for the purposes "
            "above. Kept {policy.document.keep.opted_in} where training is allowed, and "
            "{policy.document.keep.opted_out} where "
            "not.",
        ),
        ("Sources", "Users of the service. Turns by surface: {figures.totals.surfaces}."),
        (
            "How people are told",
            "A notice before the choice. Notices published: {figures.log.notices}.",
        ),
        (
            "Number of consumers",
            "Answers yes: {figures.log.answers_yes}. Answers no: {figures.log.answers_no}, of "
            "which "
            "withdrawals: {figures.log.withdrawals}. Accounts of each release are in the table.",
        ),
        (
            "Recipients",
            "Named by the policy: {policy.document.recipients}. On record: {recorded.recipients}. "
            "Others: "
            "{stated.recipients}.",
        ),
        ("Logic of automated decisions, and how output is used", "{stated.logic}"),
        rows="figures.releases",
    ),
    section(
        "(a)(4)",
        "Benefits",
        ("To the business, consumers, others and the public", "{stated.benefits}"),
    ),
    section(
        "(a)(5)",
        "Negative impacts on consumers' privacy",
        ("Impacts, their sources and criteria", "{stated.harms}"),
        (
            "On record: what a sample of rows still identified",
            "Rows that people read: "
            "{figures.totals.reviewed_rows}. Findings: {figures.totals.findings}.",
        ),
        (
            "On record: what cannot be undone",
            "What a training run consumed before a withdrawal stays consumed.",
        ),
    ),
    section(
        "(a)(6)",
        "Safeguards",
        (
            "Choice",
            (
                "No answer is preset. From a withdrawal on, no new lease opens a row that "
                "rested on what was withdrawn."
            ),
        ),
        (
            "Security",
            "Content is sealed under keys of its own; erasing destroys the keys of every sealed "
            "copy, and recalls "
            "what left in clear. Keys destroyed so far, by cause: {figures.log.keys_destroyed}.",
        ),
        ("Access by staff", "Readings in the log, by stated reason: {figures.log.content_reads}"),
        (
            "Proof",
            (
                "Certificates of erasure: {figures.log.certificates}. Strangers can decide "
                "every release again."
            ),
        ),
        ("Other safeguards", "{stated.safeguards}"),
        ("Security measures", "{stated.security_measures}"),
    ),
    section("(a)(7)", "Whether the processing is initiated", ("Decision", "{stated.decision}")),
    section("(a)(8)", "Who contributed and who reviewed", ("People", "{stated.reviewers}")),
    section("7157", "Attestation", ("By", "{stated.attestation}")),
)


def form() -> PaperForm:
    return PaperForm(
        kind=PaperKind.risk_assessment,
        title="Risk assessment",
        law="California Code of Regulations, title 11, sections 7150 to 7157 (CCPA)",
        sections=SECTIONS,
    )
