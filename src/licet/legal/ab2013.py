"""California's documentation of training data: Civil Code 3111(a), its twelve items in order."""

from __future__ import annotations

from licet.legal.paper import PaperForm, PaperKind, section

ITEMS = (
    section(
        "(a)(1)",
        "Sources or owners of the datasets",
        (
            "Sources",
            "Conversations and coding sessions of users of {stated.service_name}, who are on the "
            "plans "
            "{figures.totals.plans} and used {figures.totals.surfaces} (turns by plan and by "
            "surface).",
        ),
        ("Other datasets", "Public: {stated.public_datasets}. Licensed: {stated.licensed_data}."),
        rows="figures.releases",
    ),
    section(
        "(a)(2)",
        "How the datasets further the intended purpose",
        ("Purposes that people allowed", "{policy.purposes}"),
        ("How they further it", "{stated.purpose_furthered}"),
    ),
    section(
        "(a)(3)",
        "Number of data points",
        (
            "Number",
            "{figures.totals.rows} conversations or side threads in {figures.totals.releases} "
            "releases, of "
            "{figures.totals.turns} turns and {figures.totals.tokens} tokens of four bytes. A "
            "conversation may be in several "
            "releases, and is counted in each. Releases not counted in tokens: "
            "{figures.totals.uncounted}.",
        ),
    ),
    section(
        "(a)(4)",
        "Types of data points",
        (
            "Types",
            "Rows by kind: {figures.totals.kinds}. Turns by origin: {figures.totals.origins}.",
        ),
        (
            "Languages",
            "Rows by language: {figures.totals.languages}. Labels beside it are made by rules and "
            "are in the rows: "
            "topic, quality and split.",
        ),
    ),
    section(
        "(a)(5)",
        "Data protected by copyright, trademark or patent, or in the public domain",
        ("Answer", "{stated.copyright}"),
        (
            "What Licet knows",
            "Nothing: people wrote freely, and nobody looked for works of others in their text.",
        ),
    ),
    section(
        "(a)(6)",
        "Whether datasets were purchased or licensed",
        (
            "Conversations",
            "Used with the permission of each person under the published terms (policy "
            "{policy.document.policy}, version {policy.document.version}) or, for safety "
            "classifiers, because they were flagged "
            "as misuse.",
        ),
        ("Other datasets", "{stated.licensed_data}"),
    ),
    section(
        "(a)(7)",
        "Whether the datasets include personal information (Civil Code 1798.140(v))",
        (
            "Answer",
            "Yes. Releases are pseudonymised, and people can be recognised by what they tell.",
        ),
    ),
    section(
        "(a)(8)",
        "Whether the datasets include aggregate consumer information (Civil Code 1798.140(b))",
        (
            "Answer",
            "No: rows are conversations. Counts as in this paper are no part of the datasets.",
        ),
    ),
    section(
        "(a)(9)",
        "Cleaning, processing or other modification, and its purpose",
        (
            "De-identification, to protect people",
            "Identifiers replaced, by kind: {figures.totals.replaced}.",
        ),
        ("Turns left out, by the first reason", "{figures.totals.dropped}"),
        (
            "Reading by people, to find what rules missed",
            "Rows read: {figures.totals.reviewed_rows}. Findings: {figures.totals.findings}.",
        ),
    ),
    section(
        "(a)(10)",
        "Time period of collection, and whether it is ongoing",
        ("Period", "{figures.totals.first_month} to {figures.totals.last_month}"),
        ("Ongoing", "{stated.continuous_training}"),
    ),
    section(
        "(a)(11)",
        "Dates on which the datasets were first used in development",
        ("First training run on record", "{recorded.first_used}"),
        ("As the developer states", "{stated.development_first_used}"),
    ),
    section(
        "(a)(12)",
        "Synthetic data generation",
        (
            "Answer",
            (
                "Answers of the assistant are model output. Turns by the model that wrote them: "
                "{figures.totals.models}."
            ),
        ),
        ("Other synthetic data", "{stated.synthetic_data}"),
    ),
)


def form() -> PaperForm:
    """The statement for the developer's web site."""
    head = section(
        "3111",
        "The system",
        ("Developer", "{stated.name}, {stated.contact}"),
        ("System or service", "{stated.service_name}"),
        ("What it does", "{stated.service_description}"),
        ("Models", "{stated.model_names}"),
    )
    return PaperForm(
        kind=PaperKind.ab2013,
        title="Documentation of training data",
        law="California Civil Code, sections 3110 and 3111 (AB 2013)",
        sections=(head, *ITEMS),
    )
