"""The public summary of training content: AI Act Article 53(1)(d), in the order of the Commission's
template.

Template: Annex to C(2025) 5235 of 24 July 2025, final as C(2025) 8311 of 5 December 2025.
"""

from __future__ import annotations

from licet.legal.paper import PaperForm, PaperKind, section

GENERAL = (
    section(
        "1.1",
        "Provider identification",
        ("Provider name and contact details", "{stated.name}, {stated.address}, {stated.contact}"),
        ("Authorised representative", "{stated.representative}"),
    ),
    section(
        "1.2",
        "Model identification",
        ("Versioned model name(s)", "{stated.model_names}"),
        ("Models on record that were trained from these releases", "{recorded.models}"),
        (
            "Model dependencies (the model that was modified, and its summary)",
            "{stated.model_base}",
        ),
        ("Date of placement of the model on the Union market", "{stated.eu_market_date}"),
    ),
    section(
        "1.3",
        "Modalities, overall training data size and other characteristics",
        (
            "Modality",
            (
                "Text. This summary counts text that people and the assistant wrote, and code "
                "among it."
            ),
        ),
        (
            "Training data size",
            "Text: {figures.totals.size_bin} ({figures.totals.tokens} tokens of four bytes of "
            "UTF-8, "
            "{figures.totals.bytes} bytes), in {figures.totals.rows} rows of "
            "{figures.totals.turns} turns",
        ),
        (
            "Types of content",
            "Rows by kind: {figures.totals.kinds}. Turns by origin: {figures.totals.origins}.",
        ),
        (
            "Latest date of data acquisition or collection",
            "{figures.totals.last_month} (the first is {figures.totals.first_month})",
        ),
        ("Is training continuing on new data after this date?", "{stated.continuous_training}"),
        ("Linguistic characteristics", "Rows by language (ISO 639): {figures.totals.languages}"),
        (
            "Other relevant characteristics",
            "Turns by surface: {figures.totals.surfaces}. Turns by plan: {figures.totals.plans}.",
        ),
        (
            "Additional comments",
            'A value that fewer than ten accounts have is counted as "other". Releases that are listed and '
            "not counted here, because their manifest is not there or does not say: "
            "{figures.totals.uncounted}. A conversation "
            "may be in several releases, and is counted in each.",
        ),
    ),
)

SOURCES = (
    section(
        "2.1",
        "Publicly available datasets",
        (
            "Were publicly available datasets used? Names and descriptions",
            "{stated.public_datasets}",
        ),
    ),
    section(
        "2.2.1",
        "Datasets commercially licensed by rightsholders or their representatives",
        ("Were licences concluded? For which modalities", "{stated.licensed_data}"),
    ),
    section(
        "2.2.2",
        "Private datasets obtained from other third parties",
        ("Were such datasets obtained? Names and descriptions", "{stated.private_data}"),
    ),
    section(
        "2.3",
        "Data crawled and scraped from online sources",
        (
            "Were crawlers used? Names, purposes, behaviour, period, content, top domains",
            "{stated.crawled_data}",
        ),
        (
            "What conversations quote from the web",
            "Only turns of these origins are used: {policy.document.origins}. "
            "Results of tools and connectors are other origins; a person may paste any text.",
        ),
    ),
    section(
        "2.4",
        "User data",
        (
            (
                "Was data from user interactions with the AI model (e.g. user input and "
                "prompts) used to train the model?"
            ),
            "{figures.totals.user_data}: {figures.totals.rows} rows of user interactions are in "
            "the {figures.totals.releases} "
            "releases of this summary.",
        ),
        (
            (
                "Was data collected from user interactions with the provider's other services "
                "or products used?"
            ),
            "{stated.other_services_data}",
        ),
        ("General description of the services", "{stated.service_description}"),
        ("Modalities covered", "Text"),
        (
            "Surfaces and plans",
            "Turns by surface: {figures.totals.surfaces}. Turns by plan: {figures.totals.plans}.",
        ),
        (
            "Additional comments",
            "A turn is in because its person allowed it or, for safety classifiers, because it was "
            "flagged "
            "as misuse. The versions of the policy are published. Answers yes in the log: "
            "{figures.log.answers_yes}. "
            "Answers no: {figures.log.answers_no}, of which withdrawals: "
            "{figures.log.withdrawals}. Policy versions: "
            "{figures.log.policies}.",
        ),
        rows="figures.releases",
    ),
    section(
        "2.5",
        "Synthetic data",
        (
            (
                "Was synthetic AI-generated data created by the provider or on its behalf to "
                "train the model?"
            ),
            (
                "Answers of the assistant are in the conversations. Turns by the model that "
                "wrote them: {figures.totals.models}."
            ),
        ),
        ("Other synthetic data, and the models that made it", "{stated.synthetic_data}"),
    ),
    section(
        "2.6",
        "Other sources of data",
        ("Have other data sources been used?", "{stated.other_sources}"),
        (
            "Feedback",
            "Conversations that people shared with a rating, by the log: {figures.log.feedback}",
        ),
    ),
)

PROCESSING = (
    section(
        "3.1",
        "Respect of reservation of rights from text and data mining exception or limitation",
        (
            "Are you a signatory of the code of practice for general-purpose AI models?",
            "{stated.code_of_practice}",
        ),
        ("Measures to respect reservations of rights", "{stated.rights_reservations}"),
    ),
    section(
        "3.2",
        "Removal of illegal content",
        (
            "Measures on record",
            "Flags of misuse in the log: {figures.log.flags}. Rows of the releases that people "
            "read: "
            "{figures.totals.reviewed_rows}.",
        ),
        ("Other measures", "{stated.illegal_content}"),
    ),
    section(
        "3.3",
        "Other information (optional)",
        ("De-identification", "Identifiers replaced, by kind: {figures.totals.replaced}."),
        (
            "Turns that came into question and were left out, by the first reason",
            "{figures.totals.dropped}",
        ),
        (
            "Since then",
            "Rows taken out of the releases after their keys were destroyed: "
            "{figures.totals.purged_rows}. What a "
            "training run consumed before stays consumed.",
        ),
    ),
)


def form() -> PaperForm:
    return PaperForm(
        kind=PaperKind.training_summary,
        title="Public summary of training content",
        law=(
            "Regulation (EU) 2024/1689 (AI Act), Article 53(1)(d); template of the Commission, "
            "C(2025) 8311"
        ),
        sections=(*GENERAL, *SOURCES, *PROCESSING),
    )
