"""What the tagger of names learns from: labelled texts, written from templates of our own.

Promises: the same seed gives the same texts with the same version of Faker; no text of a benchmark is in here. Names,
streets and companies are drawn from Faker (the extra `train`), in the locales below, so that nothing of anybody is
committed.

Where real turns are given, half of the templates stand inside one. Such a turn is taken only where no word but the
first of a sentence has a capital: what holds an unlabelled name would teach the tagger to pass it over.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any

from licet.curate.names_labelled import LabelledText
from licet.curate.rules import IdentifierKind

TURN_CHARACTERS_MAX = 240

LOCALES = (
    "en_US", "en_US", "en_US", "en_GB", "en_GB", "en_AU", "en_IE", "en_IN", "en_NZ", "en_CA", "de_DE", "fr_FR", "es_ES",
    "it_IT", "pt_BR", "pt_PT", "nl_NL", "pl_PL", "cs_CZ", "da_DK", "fi_FI", "no_NO", "sv_SE", "hu_HU", "hr_HR", "ro_RO",
    "sl_SI", "tr_TR", "es_MX",
)  # fmt: skip


# A slot is written {slot}; slots with a kind are labelled, the others (dates, numbers) stand there as they do in life.
_SLOT_KINDS = {
    "person": IdentifierKind.PERSON,
    "given": IdentifierKind.PERSON,
    "family": IdentifierKind.PERSON,
    "initials": IdentifierKind.PERSON,
    "address": IdentifierKind.ADDRESS,
    "street": IdentifierKind.ADDRESS,
    "city": IdentifierKind.PLACE,
    "country": IdentifierKind.PLACE,
    "state": IdentifierKind.PLACE,
    "company": IdentifierKind.ORGANISATION,
}
TEMPLATES = (
    # what people write to an assistant
    "hi, i'm {given} and i need help with my homework",
    "Hey, this is {person} again.",
    "I'm {given}. What can you do?",
    "my name is {person}, please remember it",
    "You can call me {given}.",
    "{given} here, are you there?",
    "It's {person}.",
    "{person}",
    "{given}",
    "{family}",
    "{person}.",
    "it's under {family}",
    "The booking is under the name {person}, for {number} people.",
    "Write an email to {person} that I'll be late on {date}.",
    "Write a birthday poem for my daughter {given}, she turns {small}.",
    "My boss {given} at {company} keeps giving my work to {given}. What do I do?",
    "my husband {given} and i are moving from {city} to {city} in {month}",
    "Can you tell me about {person}?",
    "who is {person}",
    "Draft a letter of recommendation for {person}, who worked with me at {company} for {small} years.",
    "My neighbour {given} {family} parks in front of our gate.",
    "Is {given} a common name in {country}?",
    "Please translate: I met {person} and {person} in {city} last week.",
    "{given} said {given} wouldn't come, but {given} did.",
    "My therapist, {title} {family}, says I should write about {given}.",
    "I had an appointment with {title} {person} at {time}",
    "Should I forgive {given}? We were friends since school in {city}.",
    "what would {family} think of this paragraph?",
    "The {family} family has lived in {city} for ages.",
    "As {family} argues in the second chapter, nothing of this is new.",
    "{family}'s early songs were better than what {person} recorded later.",
    "a new film by {person}, starring {person} and {person}",
    "Directed by {person}\nWritten by {person}, {person}",
    "I love what {person} did with the cover of that album (the band broke up in {year}).",
    "{family} scored twice before {person} was sent off in {city}.",
    "An interview with {person}, head of research at {company}",
    "{person} ({company}) told us that {family} would leave in {month}.",
    "Is {company} hiring? I'd like to work in {city}.",
    "{company} was founded in {year} and has its seat in {city}, {country}.",
    "Do you know how I can reach the support of {company}?",
    "I want to cancel my contract with {company}",
    "the {company} app is broken again",
    "I work for {company} as an accountant.",
    "A friend at {company} told me that the {city} office closes.",
    "How is the weather in {city}?",
    "flights from {city} to {city} on {date}",
    "I'm travelling to {country} in {month}. Do I need a visa?",
    "We drove through {state} and {state} to {city}.",
    "What is the capital of {country}",
    "best pizza in {city}?",
    "I was born in {city}, {country}, in {year}.",
    "the shop in {city} is closed on sundays",
    # addresses
    "I live at {address}",
    "i live at {street}, is there a pharmacy close by",
    "My address is {address}. My phone is {phone}.",
    "Please send it to {address}",
    "Ship to:\n{person}\n{address}",
    "{person}\n{street}\n{city}\nphone {phone}",
    "Deliver to {person}, {address}, before {date}.",
    "What's the quickest way from {street} to {street}?",
    "How do I get to {address}?",
    "the address of {company} is {address}",
    "{company}, {address}",
    "{company}\n{address}\nTel. {phone}",
    "Our office moved from {address} to {address} in {year}.",
    "She used to live at {street} in {city} before she moved to {country}.",
    "Billing address: {address}",
    "New address? {address}",
    "Bot: Where should we bring it? User: {address}",
    "Agent: what's your address?\nCustomer: {street}, {city}",
    "Could you pick me up at {street}, {city} at {time}?",
    "We're selling our flat at {address} for {amount}.",
    "The house number is {number}, I mean {street}.",
    "invoice for {company}, {street}, {city}, {country}",
    # forms, signatures, records, code
    "Name: {person}\nAddress: {address}\nPhone: {phone}\nMail: {email}",
    "Name: {person}\nBorn: {date} in {city}\nEmployer: {company}",
    "Customer: {person}; order {number}; total {amount}",
    "Full name? {person}",
    "Bot: May I have the name? User: {person}",
    "Agent: Who am I speaking with?\nUser: {person}",
    "Best regards,\n{person}\n{company}\n{phone}",
    "Thanks,\n{given}",
    "Cheers, {given} ({city})",
    "Dear {title} {family},\n\nthank you for your letter of {date}.",
    "Dear {given},",
    "To whom it may concern: {person} was employed by {company} from {year} to {year}.",
    "{person}, {small}, from {city}",
    "# ask {given}: remove when {company} has answered",
    "// written by {person}, {year}",
    "{{\"name\": \"{person}\", \"city\": \"{city}\", \"age\": {small}}}",
    "{{\"customer\": \"{person}\", \"address\": \"{address}\"}}",
    "{person},{email},{phone},{city}",
    "INSERT INTO staff VALUES ({number}, '{given}', '{family}', '{city}');",
    "[{time}] {given}: are you coming?\n[{time}] {given}: in ten minutes",
    "{given}: I told {given} already\n{given}: ok",
    "@everyone {given} is out sick today, ask {person} instead",
    "Attendees: {person}, {person}, {given} {family}; absent: {person}",
    "Patient {person}, born {date}, was admitted with chest pain. {title} {family} examined her.",
    "The plaintiff, {person}, resides at {address}.",
    "I, {person}, hereby authorise {person} to collect the parcel at {street}.",
    "Transfer {amount} to {person}, account held with {company}",
    "Pay {amount} to {company} for invoice {number}",
    "Has {person} paid the invoice {number} yet?",
    "what did {given} order on {date}?",
    "Change the name on my account to {person}, I got married in {month}.",
    "I can't stand {person}, {given} is so much better.",
    "RT thanks to {person} for a lovely evening in {city}!!",
    "omg {given} just texted me",
    "lol {given} u ok",
    "with {given} and {given} at {company} #{city}",
    "{initials} said so in {year}.",
)  # fmt: skip
# The words of names, streets and companies where they are none, and what else looks like a name.
NEGATIVES = (
    "What are my options?", "Will you mark the will in the bill?", "How do I write a for loop in Python?",
    "I need to raise the limit of my card {number}", "Please reset my password.", "The rose is a flower of hope and joy.",
    "What is the difference between Java and JavaScript?", "Can you summarise Chapter {small} of the Bible?",
    "On Monday {date} the Python release {small}.{small} came out.", "She said May would be warmer than April.",
    "My balance is {amount}, why?", "Turn left at the second street and walk {number} metres along the main road.",
    "Use React or Angular with Docker, Kubernetes and Postgres.", "The Moon orbits the Earth; Mars and Venus are planets.",
    "Write a story about a king and his queen in a far country.", "Merry Christmas and a Happy New Year!",
    "Is Harry Potter and the Goblet of Fire a good book?", "Please call {phone} before {time}.", "Visa or Mastercard?",
    "def main(args: list[str]) -> None:\n    print(args)", "class Order(Base):\n    name = Column(String)",
    "ERROR: connection refused (code {number}) at {time}", "The Second World War ended in 1945.", "I speak English and French.",
    "HTTP/1.1 404 Not Found", "Thank You So Much For Your Help", "THIS IS NOT WHAT I ASKED FOR", "Dear Sir or Madam,",
    "My email is {email} and my number is {phone}", "I lost my card {number}, please block it", "Sure! Here are {small} ideas:",
    "The apple fell from the tree near the bank of the river.", "What time is it?", "Who painted the Mona Lisa?",
    "Order number {number}, placed on {date}", "import numpy as np\nfrom pathlib import Path",
    "Is Linux better than Windows {small}?",
)  # fmt: skip
_DAYS = (date(1970, 1, 1), date(2026, 1, 1))
_DATES = ("%d %B %Y", "%Y-%m-%d", "%B %d", "%d/%m/%Y")
_SLOT = re.compile(r"\{(\w+)\}")


def cased(labelled: LabelledText, choice: float, small: float, capitals: float) -> LabelledText:
    """Some people write everything in small letters, and a few in capitals: a text of whom ``choice``, from 0 to 1, says which,
    with the bounds of both. What would change a length stays.
    """
    text = labelled.text.lower() if choice < small else labelled.text.upper() if choice < capitals else labelled.text
    return LabelledText(text, labelled.spans) if len(text) == len(labelled.text) else labelled


class TemplateWriter:
    """Writes labelled texts from templates; ``turns`` are real ones to stand in, ``seed`` fixes everything."""

    def __init__(self, seed: int, turns: Sequence[str] = ()) -> None:
        from faker import Faker

        self._random = random.Random(seed)  # noqa: S311 -- texts to learn from, not keys
        self._fakers: list[Any] = [Faker(locale) for locale in LOCALES]
        for number, faker in enumerate(self._fakers):
            faker.seed_instance(seed + number)
        self._turns = [turn for turn in turns if nameless(turn)]

    def texts(self, count: int) -> Iterator[LabelledText]:
        """``count`` texts from templates, one in eight a negative."""
        for _ in range(count):
            if self._random.random() < 0.125:
                yield self._negative()
            else:
                yield self._inside(self._filled(self._random.choice(TEMPLATES)))

    def _negative(self) -> LabelledText:
        if self._turns and self._random.random() < 0.5:
            return LabelledText(self._random.choice(self._turns)[:TURN_CHARACTERS_MAX], ())
        return self._filled(self._random.choice(NEGATIVES))

    def _inside(self, labelled: LabelledText) -> LabelledText:
        """The text alone, among others, or inside a real turn."""
        choice = self._random.random()
        if choice < 0.35:
            return labelled
        if choice < 0.6 or not self._turns:
            return _beside(labelled, self._filled(self._random.choice((*TEMPLATES, *NEGATIVES))), self._blank())
        turn = LabelledText(self._random.choice(self._turns)[: TURN_CHARACTERS_MAX // 2], ())
        first, second = (turn, labelled) if choice < 0.8 else (labelled, turn)
        return _beside(first, second, self._blank())

    def _blank(self) -> str:
        return self._random.choice((" ", " ", "\n", "\n\n", ". "))

    def _filled(self, template: str) -> LabelledText:
        faker, parts, spans, place, last = self._random.choice(self._fakers), [], [], 0, 0
        for found in _SLOT.finditer(
            template.replace("{{", "\0{").replace("}}", "}\0") if "{{" in template else template
        ):
            before = found.string[last : found.start()].replace("\0{", "{").replace("}\0", "}")
            value = self._value(faker, found[1])
            parts += [before, value]
            place += len(before)
            if kind := _SLOT_KINDS.get(found[1]):
                spans.append((place, place + len(value), kind))
            place += len(value)
            last = found.end()
        source = template.replace("{{", "\0{").replace("}}", "}\0") if "{{" in template else template
        parts.append(source[last:].replace("\0{", "{").replace("}\0", "}"))
        return cased(LabelledText("".join(parts), tuple(spans)), self._random.random(), 0.15, 0.18)

    def _value(self, faker: Any, slot: str) -> str:  # noqa: ANN401 -- Faker's providers are made at run time
        draw = self._random
        match slot:
            case "person":
                return self._person(faker)
            case "given":
                return str(faker.first_name())
            case "family":
                return str(faker.last_name())
            case "initials":
                return f"{faker.first_name()[0]}.{draw.choice(('', ' '))}{faker.last_name()}"
            case "address":
                return self._address(faker)
            case "street":
                return self._street(faker)
            case "city":
                return str(faker.city())
            case "country":
                return str(draw.choice((faker, self._fakers[0])).country())
            case "state":
                return str(self._fakers[0].state())
            case "company":
                return self._company(faker)
            case _:
                return self._plain(faker, slot)

    def _plain(self, faker: Any, slot: str) -> str:  # noqa: ANN401 -- as above
        draw = self._random
        made: dict[str, Callable[[], Any]] = {
            "title": lambda: draw.choice(("Dr.", "Mr.", "Mrs.", "Ms.", "Dr", "Mr", "Professor", "Herr", "Mme")),
            "number": lambda: str(draw.randrange(10 ** draw.choice((2, 3, 5, 8, 16)))),
            "small": lambda: str(draw.randrange(1, 90)),
            "year": lambda: str(draw.randrange(1900, 2027)),
            "amount": lambda: f"{draw.choice('$€£')}{draw.randrange(1, 90_000):,}",
            "date": lambda: faker.date_between_dates(*_DAYS).strftime(draw.choice(_DATES)),
            "month": lambda: draw.choice(("January", "March", "April", "May", "June", "August", "october", "december")),
            "time": lambda: f"{draw.randrange(24)}:{draw.randrange(60):02d}",
            "phone": lambda: faker.phone_number(),
            "email": lambda: faker.email(),
        }
        return str(made[slot]())

    def _person(self, faker: Any) -> str:  # noqa: ANN401 -- as above
        given, family, choice = faker.first_name(), faker.last_name(), self._random.random()
        if choice < 0.62:
            return f"{given} {family}"
        if choice < 0.8:
            return f"{given} {faker.first_name()[0]}{self._random.choice(('.', ''))} {family}"
        if choice < 0.88:
            return f"{given} {faker.first_name()} {family}"
        return f"{family}, {given}" if choice < 0.91 else f"{given} {family}-{faker.last_name()}"

    def _street(self, faker: Any) -> str:  # noqa: ANN401 -- as above
        street = str(faker.street_address()).replace("\n", self._random.choice(("\n", ", ", " ")))
        if self._random.random() < 0.3:
            street = f"{self._random.randrange(1, 9999)} {faker.street_name()}"
        extra = self._random.choice(("Apt. {}", "Suite {}", "Unit {}", "Flat {}", "#{}", "{}. OG"))
        return f"{street} {extra.format(self._random.randrange(1, 999))}" if self._random.random() < 0.2 else street

    def _address(self, faker: Any) -> str:  # noqa: ANN401 -- as above
        blank = self._random.choice(("\n", "\n", ", ", " ", " \n", "\n,"))
        if self._random.random() < 0.35:
            return str(faker.address()).replace("\n", blank)
        state = self._fakers[0].state_abbr() if self._random.random() < 0.5 else ""
        country = self._fakers[0].country() if self._random.random() < 0.5 else ""
        tail = [faker.city(), f"{state} {faker.postcode()}".strip(), country]
        if self._random.random() < 0.4:
            tail = [faker.city(), state, f"{country} {faker.postcode()}".strip()]
        return blank.join([self._street(faker), *(part for part in tail if part)])

    def _company(self, faker: Any) -> str:  # noqa: ANN401 -- as above
        choice = self._random.random()
        if choice < 0.55:
            return str(faker.company())
        made = f"{faker.last_name()} {self._random.choice(_TRADES)}" if choice < 0.75 else faker.last_name()
        return str(made).capitalize() + self._random.choice(_ENDINGS) if choice >= 0.9 else str(made)


_TRADES = ("Bank", "Airlines", "University", "Foods", "Motors", "Software", "Hospital", "Insurance", "Records", "Orchestra",
           "Times", "Hotels", "Foundation", "Brewery", "Energy", "School", "FC", "Church", "Pharmacy", "Library")  # fmt: skip
_ENDINGS = ("ly", "ify", "soft", "tech", "data", " Labs", "ora", "ex", "io", ".io")


def nameless(text: str) -> bool:
    """Whether no word but the first of a sentence has a capital, so that no name with one can be in it."""
    words = text.split()
    starts = [True, *(word[-1] in '.!?:;"”)' or word[0] in '-*"“(' for word in words[:-1])]
    plain = (word.strip("\"'“”(*-") for word in words)
    return len(words) > 2 and all(
        s or not w[:1].isupper() or w in ("I", "I'm", "I've", "I'd", "I’m", "I'll")
        for w, s in zip(plain, starts, strict=True)
    )


def _beside(first: LabelledText, second: LabelledText, blank: str) -> LabelledText:
    shift = len(first.text) + len(blank)
    moved = tuple((start + shift, end + shift, kind) for start, end, kind in second.spans)
    return LabelledText(first.text + blank + second.text, first.spans + moved)
