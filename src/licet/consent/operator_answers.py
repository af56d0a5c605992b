"""The operator's answers for legal papers: the keys under ``papers`` in ``controller.yaml``.

An answer is a text, ``yes``, ``no``, or nothing. Without an answer the paper prints "to be
provided". No answer is inferred from another one or from the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from licet.errors import InputError

ANSWER_CHARACTERS_MAX = 4_000
Answer: TypeAlias = str | bool

# By the key in the file: what is asked, and for which papers (`legal.papers.PaperKind`).
ASKED: Mapping[str, tuple[str, str]] = {
    "service_name": ("the name of the AI system or service", "ropa, ab2013, risk-assessment"),
    "service_description": ("what it does and for whom, in a few sentences", "training-summary, ab2013, risk-assessment"),
    "model_names": ("the models that these papers are about, with their versions", "training-summary, ab2013"),
    "model_base": ("the model that was trained further, and the address of its own summary; or no", "training-summary"),
    "eu_market_date": ("the day on which the model was placed on the market of the Union", "training-summary"),
    "continuous_training": ("yes if the model goes on being trained on new data", "training-summary, ab2013"),
    "purpose_furthered": ("how the data sets further the purpose of the system", "ab2013"),
    "copyright": ("whether the data holds works under copyright, trademark or patent", "ab2013"),
    "public_datasets": ("publicly available data sets used beside these: their names, or no", "training-summary, ab2013"),
    "licensed_data": ("data licensed from holders of rights: from whom, or no", "training-summary, ab2013"),
    "private_data": ("other data sets that are not public: from whom, or no", "training-summary"),
    "crawled_data": ("data crawled from the web: crawlers, purposes, period, domains; or no", "training-summary"),
    "other_services_data": ("data from other services of yours: which services, or no", "training-summary"),
    "synthetic_data": ("synthetic data from outside: the models that made it, or no", "training-summary, ab2013"),
    "other_sources": ("any other source of training data, or no", "training-summary"),
    "code_of_practice": ("yes if you signed the code of practice for general-purpose AI", "training-summary"),
    "rights_reservations": ("how you respect reservations of rights (Directive 2019/790, Art. 4(3))", "training-summary"),
    "illegal_content": ("how illegal content is kept out, beside what Licet records", "training-summary"),
    "development_first_used": ("when the data was first used in the development of the system", "ab2013"),
    "people_categories": ("the categories of people, where they are more than users of the service", "ropa"),
    "legal_basis": ("the legal basis of what does not rest on consent, such as abuse prevention", "ropa"),
    "recipients": ("recipients beside those on record: hosting and support, for example", "ropa, risk-assessment"),
    "transfers": ("transfers to third countries: which, and the safeguards; or no", "ropa"),
    "security_measures": ("technical and organisational measures beside those of Licet", "ropa, risk-assessment"),
    "processors": ("the controllers for whom you do this as a processor, and what for each; or no", "ropa"),
    "benefits": ("the benefits of the processing, and to whom", "risk-assessment"),
    "harms": ("the negative impacts on people, their sources and criteria", "risk-assessment"),
    "safeguards": ("the safeguards against these impacts, beside those of Licet", "risk-assessment"),
    "sensitive_data": ("categories of sensitive personal information that you know to occur", "risk-assessment"),
    "logic": ("the logic of automated decisions on people that the model is trained for; or no", "risk-assessment"),
    "decision": ("whether the processing goes on, and who decided it, with title", "risk-assessment"),
    "reviewers": ("who took part in the assessment and who reviewed it, and when", "risk-assessment"),
    "attestation": ("who attests that it is true: name and title", "risk-assessment"),
}  # fmt: skip


def validate(answers: Mapping[str, Answer | None], file: str = "") -> dict[str, Answer]:
    """The given answers; InputError for an unknown key or an answer that is too long."""
    for key, answer in answers.items():
        if key not in ASKED:
            raise InputError(
                "unknown key", "docs/for-counsel.md lists the keys", file=file, key=f"papers.{key}"
            )
        if isinstance(answer, str) and len(answer) > ANSWER_CHARACTERS_MAX:
            fix = f"shorten it to {ANSWER_CHARACTERS_MAX} characters"
            raise InputError(f"has {len(answer)} characters", fix, file=file, key=f"papers.{key}")
    return {key: text for key, answer in answers.items() if (text := _strip(answer)) is not None}


def _strip(answer: Answer | None) -> Answer | None:
    """The answer without surrounding white space; None if it is empty."""
    return (answer.strip() or None) if isinstance(answer, str) else answer


def unanswered_keys(answers: Mapping[str, Answer | None]) -> tuple[str, ...]:
    """The keys without an answer, in the order of the file."""
    return tuple(key for key in ASKED if answers.get(key) is None)
