"""The entries of a log: their kinds and facts, and the rules of their sequence.

`read_entry` parses one entry and checks it against the shape of its kind. `Story` checks each entry
against those before it: times never decrease, a grant begins with a yes and ends with a no, a
policy follows the one before, nothing is logged twice. An entry about a conversation or project has
that pseudonym exactly if it has the account's.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import Any

from licet.verifier.answer import ContradictionError, VerifierFinding
from licet.verifier.forms import TIME, fits_kind, is_real_day, read_json, read_time, time_text
from licet.verifier.grants import OF_CHOICES
from licet.verifier.invariants import (
    CLOSED,
    IMPLYING,
    OWN_TIME,
    STARTS_GRANT,
    AccountStory,
    CommonStory,
    begin_account,
)
from licet.verifier.permissions import Permissions

# The target of a choice or grant. Entries from before policies had questions have none of these.
TARGET_FACTS = "question:question? scope:scope? handle:hash? project:hash?"
# The facts of each kind of entry, as `name:type` (the types of `forms`); a fact whose type ends in
# `?` may be missing.
KINDS = {
    "policy_applied": "number:int sha256:hash amends:hash?",
    "policy_stands": "number:int sha256:hash",
    "notice_published": "number:int language:word variant:word sha256:hash",
    "release_decided": "release:word position:int",
    "release_sealed": (
        "release:word purpose:word version:int position:int rows:int root:hash manifest_sha256:hash"
    ),
    "notice_shown": "number:int sha256:hash default_state:word",
    "terms_accepted": "number:int",
    "shortened": "version:word?",
    "choice": f"allow:bool effect:word version:int {TARGET_FACTS}",
    "grant_begun": f"grant:pos version:int {TARGET_FACTS}",
    "grant_affirmed": f"grant:pos version:int {TARGET_FACTS}",
    "grant_stands": f"grant:pos version:int {TARGET_FACTS}",
    "grant_ended": "grant:pos? cause:word",
    "project_kept_out": "project:hash?",
    "project_let_in": "project:hash?",
    "content_read": "reason:word role:word",
    "staff_acted": "kind:word act:word",
    "work_acted": "kind:word act:word words:hash?",
    "key_destroyed": "because:word epoch:int? handle:hash? segment:int?",
    "carried": "from:int",
    "certificate": "sha256:hash",
    "restored": "life:int entries:int",
    "document_made": "kind:word sha256:hash",
    "journal_head": "journal:word number:pos chain:hash",
    "release_reviewed": "release:word manifest_sha256:hash sha256:hash rows:int findings:int bound_ppm:int",
    "release_measured": "release:word manifest_sha256:hash sha256:hash rows:pos",
    "release_signed": "release:word manifest_sha256:hash review_sha256:hash signature:int",
    "release_purged": "release:word number:pos rows:pos sha256:hash",
    "deleted": "handle:hash?",
    "flagged": "handle:hash?",
    "unflagged": "handle:hash?",
    "narrowed": "handle:hash?",
    "widened": "handle:hash?",
    "account_opened": "",
    "age_found": "",
    "closed": "",
    "feedback": "",
    "held": "",
    "feedback_taken_back": "",
    "notice_put_off": "",
    "plan_set": "",
    "region_set": "",
    "unheld": "",
}
SHAPES = {kind: dict(fact.split(":") for fact in facts.split()) for kind, facts in KINDS.items()}
REQUIRED = {
    kind: {name for name, shape in facts.items() if not shape.endswith("?")}
    for kind, facts in SHAPES.items()
}
WITHOUT_ACCOUNT = frozenset({
    "certificate", "restored", "policy_applied", "policy_stands", "notice_published", "release_sealed",
    "document_made", "release_reviewed", "release_measured", "release_signed", "release_purged", "work_acted",
    "journal_head", "release_decided"})  # fmt: skip
# The keys of an entry, by its keys for the account.
KEYS = {
    own: {"v", "t", "at", "logged", "facts", *own} for own in [(), ("commit",), ("commit", "who")]
}
# Entries about a release that may be logged once: the facts that, with the release, identify one.
IDENTIFYING_FACTS = {
    "release_sealed": (),
    "release_reviewed": ("sha256",),
    "release_measured": ("sha256",),
    "release_signed": ("review_sha256", "signature"),
    "release_purged": ("number", "sha256"),
}
EFFECTS = {"began": True, "affirmed": True, "withdrew": False, "declined": False, "none": None}
CONVERSATION_KINDS = ("deleted", "flagged", "unflagged", "narrowed", "widened", "key_destroyed")
GRANT_KINDS = frozenset({"choice", "grant_begun", "grant_affirmed", "grant_stands", "grant_ended"})
_OF_POLICIES = frozenset(
    {"policy_applied", "policy_stands", "choice", "terms_accepted", "notice_published"}
)
# Kinds without an account that imply other entries.
_OF_ALL = frozenset({"restored", "notice_published", "release_decided", *IDENTIFYING_FACTS})
_OF_TEXTS = frozenset({"policy_applied", "policy_stands", "notice_published"})


# A canonical entry without escaped strings and nested facts, and a hash in it.
_ENTRY = re.compile(
    rf'\{{"at":"({TIME})"(?:,"commit":"([0-9a-f]{{64}})")?,"facts":(\{{[^{{}}\\]{{0,512}}+\}}),"logged":"({TIME})",'
    r'"t":"([a-z_]++)","v":1(?:,"who":"([0-9a-f]{64})")?\}',
    re.ASCII,
)
_HASH = re.compile(r'"([0-9a-f]{64})"')
_ANY_TIME = "2026-03-01T10:15:31Z"
_FORMS_MAX = 1 << 14


def read_entry(raw: bytes, place: str) -> dict[str, Any]:
    """Parses one entry of version 1, of a known kind, with the facts of that kind.

    Entries of one form differ only in hashes and times: a form is checked once (`_parse_form`), and
    its entries are split by one expression. An entry of no valid form is parsed whole to name its
    defect.
    """
    match = _ENTRY.fullmatch(raw.decode("ascii", "replace"))
    if match is None:
        return parse_entry(raw, place)
    at, commit, facts_text, logged, kind, who = match.groups()
    pieces = _HASH.split(facts_text)
    form = _parse_form(kind, commit is not None, who is not None, *pieces[::2])
    if form is None or not (is_real_day(at[:10]) and is_real_day(logged[:10])):
        return parse_entry(raw, place)
    facts, hashes = {**form[0]}, form[1]
    if hashes:
        facts |= zip(hashes, pieces[1::2], strict=True)
    entry = {"at": at, "facts": facts, "logged": logged, "t": kind, "v": 1}
    if commit is not None:
        entry["commit"] = commit
    if who is not None:
        entry["who"] = who
    return entry


@lru_cache(maxsize=_FORMS_MAX)
def _parse_form(
    kind: str, has_commit: bool, has_who: bool, *pieces: str
) -> tuple[dict[str, Any], tuple[str, ...]] | None:
    """The facts whose text is these pieces joined by hashes, and the names of the hashes; None if
    invalid.
    """
    own, facts = f'"{"0" * 64}"', f'"{"0" * 64}"'.join(pieces)
    commit, who = f',"commit":{own}' if has_commit else "", f',"who":{own}' if has_who else ""
    raw = f'{{"at":"{_ANY_TIME}"{commit},"facts":{facts},"logged":"{_ANY_TIME}","t":"{kind}","v":1{who}}}'
    try:
        found: dict[str, Any] = parse_entry(raw.encode(), "")["facts"]
    except ContradictionError:
        return None
    return found, tuple(name for name, value in found.items() if value == "0" * 64)


def parse_entry(raw: bytes, place: str) -> dict[str, Any]:
    entry = read_json(raw, place)
    kind = entry.get("t")
    if not fits_kind(entry.get("v"), "one") or not isinstance(kind, str) or kind not in KINDS:
        raise ContradictionError(place, "it has a kind of version 1")
    is_epoch = kind == "key_destroyed" and "epoch" in _dict(
        entry.get("facts")
    )  # an epoch's key belongs to no one account
    own = (
        ()
        if kind in WITHOUT_ACCOUNT or is_epoch
        else ("commit", "who")
        if "who" in entry
        else ("commit",)
    )
    if entry.keys() != KEYS[own]:
        raise ContradictionError(place, f"a `{kind}` has the keys of its kind")
    for key in own:
        if not fits_kind(entry[key], "hash"):
            raise ContradictionError(place, "its pseudonym and its commitment are 32 bytes in hex")
    for key in ("at", "logged"):
        read_time(entry[key], place, key)
    facts = entry["facts"]
    shapes = SHAPES[kind]
    stated = facts if isinstance(facts, dict) else {"?": None}
    fitting = [name for name, value in stated.items() if fits_kind(value, shapes.get(name, ""))]
    if len(fitting) != len(stated) or not REQUIRED[kind] <= stated.keys():
        raise ContradictionError(place, f"a `{kind}` has the facts of its kind")
    if kind == "choice" and EFFECTS.get(facts["effect"], not facts["allow"]) not in (
        facts["allow"],
        None,
    ):
        raise ContradictionError(place, "a grant begins with a yes and ends with a no")
    if kind in CONVERSATION_KINDS:
        _check_chat_pseudonym(entry, place)
    if kind.startswith("project_") and ("project" in facts) != ("who" in entry):
        raise ContradictionError(place, "a pseudonym comes with that of the project")
    if kind in GRANT_KINDS and kind != "grant_ended":
        _check_scope(entry, place)
    return entry


def _check_chat_pseudonym(entry: dict[str, Any], place: str) -> None:
    """Checks that an entry about a conversation has its handle exactly if it has the account's
    pseudonym.
    """
    facts = entry["facts"]
    if ("handle" in facts) != ("who" in entry):
        raise ContradictionError(place, "a pseudonym comes with the handle of the conversation")
    is_segment = (
        "handle" in facts and entry["t"] == "key_destroyed" and facts["because"] != "feedback"
    )
    if is_segment and "segment" not in facts:
        raise ContradictionError(place, "a destroyed key is named by its segment")


def _check_scope(entry: dict[str, Any], place: str) -> None:
    """Checks that a choice or grant names question and scope, and the scope's project or
    conversation.
    """
    facts, kind = entry["facts"], entry["t"]
    scope = facts.get("scope")
    # a choice without a question
    is_of_none = kind == "choice" and facts["effect"] == "none"
    if ("question" in facts) != (scope is not None) and not (is_of_none and scope is not None):
        raise ContradictionError(place, "a question and a scope are logged together")
    named = (
        {"conversation": ["handle"], "project": ["project"]}.get(str(scope), [])
        if "who" in entry
        else []
    )
    if [name for name in ("handle", "project") if name in facts] != named:
        raise ContradictionError(place, "its scope is given by its pseudonym")
    if (
        kind == "choice"
        and scope not in (None, "account")
        and not (facts["allow"] and facts["effect"] != "affirmed")
    ):
        raise ContradictionError(
            place, "a choice for a project or a conversation is a yes that begins a grant"
        )


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


class Story:
    """Follows the entries of one year in order: times, pseudonyms, grants, policies."""

    def __init__(self, year: int) -> None:
        self.year, self.year_prefix, self.logged = year, f"{year:04}-", ""
        self.seen: set[str] = set()
        self.policy: tuple[int, str] | None = None
        self.applied = False  # whether this log has a policy_applied entry
        self.is_late = False  # whether it carries over policies of the year before
        # whether this is the installation's first log, which has the first policy
        self.is_first = False
        self.accounts: dict[str, AccountStory] = {}  # by pseudonym
        self.common = CommonStory()
        self.restored = False
        self.policy_hashes: dict[int, str] = {}  # the hash of each logged policy version
        # handle or project pseudonym -> account pseudonym
        self.owners: dict[str, str] = {}
        # projects and conversations kept out, and deleted conversations
        self.excluded: set[str] = set()
        self.is_asked = False  # whether an entry named a question
        self.permissions: Permissions | None = None
        self.texts: set[str] = set()  # the hashes of logged policies and notices
        self.findings: list[VerifierFinding] = []

    def take(self, index: int, raw: bytes) -> list[VerifierFinding]:
        place = f"entry {index}"
        try:
            self.follow(index, read_entry(raw, place), place)
        except ContradictionError as contradiction:
            return [contradiction.finding]
        return []

    def follow(self, index: int, entry: dict[str, Any], place: str) -> None:
        """Checks the next entry, from `read_entry`, against those before it."""
        kind = entry["t"]
        time = self._check_times(entry, place)
        if kind in _OF_POLICIES:
            self._check_policy(entry, time, place)
        if "who" in entry:
            self._take_account_entry(entry, time, place)
        elif kind in _OF_ALL:
            self._take_common(index, kind, entry["facts"], time, place)
        if once := entry.get("commit") or _release_entry_key(entry):
            known = len(self.seen)
            self.seen.add(once)
            if len(self.seen) == known:
                raise ContradictionError(place, "a fact is logged once")
        if kind in _OF_TEXTS:
            self.texts.add(entry["facts"]["sha256"])
        if self.permissions is not None:
            self.permissions.take(entry)
        self.on_entry(index, entry)

    def on_entry(self, index: int, entry: dict[str, Any]) -> None:
        """Called for each entry that contradicts nothing."""

    def _check_times(self, entry: dict[str, Any], place: str) -> str:
        """Checks the entry's times; returns the time of the event, to the microsecond."""
        time, logged = time_text(entry["at"]), time_text(entry["logged"])
        if logged < self.logged:
            raise ContradictionError(place, "the time of the log never decreases")
        if time > logged or not logged.startswith(self.year_prefix):
            raise ContradictionError(place, f"it was logged after it happened, and in {self.year}")
        self.logged = logged
        return time

    def _check_policy(self, entry: dict[str, Any], time: str, place: str) -> None:
        facts, last = entry["facts"], self.policy
        if entry["t"] == "policy_applied":
            same = (
                last is not None and facts["number"] == last[0] and facts.get("amends") == last[1]
            )
            # Earlier versions may be missing here: a restore lost them, or the previous year's log
            # has them.
            is_open = not self.applied and (self.restored or self.is_late)
            is_next = (
                last is not None
                and "amends" not in facts
                and (facts["number"] == last[0] + 1 or (is_open and facts["number"] > last[0]))
            )
            if last is not None and not same and not is_next:
                raise ContradictionError(place, "a policy follows the one before, or amends it")
            if last is None and facts["number"] == 0 and "amends" not in facts:
                self.is_first = not self.accounts
            self.policy, self.applied = (facts["number"], facts["sha256"]), True
            self.policy_hashes[facts["number"]] = facts["sha256"]
        elif entry["t"] == "policy_stands":
            known = self.policy_hashes.get(
                facts["number"], "" if self.is_first else facts["sha256"]
            )
            if known != facts["sha256"]:
                raise ContradictionError(place, "a policy that stands is the one that was applied")
            self.policy_hashes[facts["number"]] = known
            self.is_late |= time < self.year_prefix
            if last is None or facts["number"] > last[0]:
                self.policy = facts["number"], facts["sha256"]
        elif (
            self.applied
            and last is not None
            and facts["version" if entry["t"] == "choice" else "number"] > last[0]
        ):
            raise ContradictionError(
                place, f"a `{entry['t']}` is under a policy that was applied before"
            )

    def _take_common(
        self, index: int, kind: str, facts: dict[str, Any], time: str, place: str
    ) -> None:
        match kind:
            case "restored":
                self.common.take_restored(facts, index, self.is_first, place)
                self.restored = True
                for account in self.accounts.values():
                    account.is_rest = False
                    if account.grants is not None:
                        account.grants.restore()
            case "notice_published":
                self.common.notices.add(facts["sha256"])
            case "release_decided":
                self.common.decided[facts["release"]] = facts["position"]
            case "release_sealed":
                self.common.take_sealed(facts, self.policy_hashes, time >= self.year_prefix, place)
            case _:
                self.common.take_stated(kind, facts, self.is_first, place)

    def _take_account_entry(self, entry: dict[str, Any], time: str, place: str) -> None:
        who, kind, facts = entry["who"], entry["t"], entry["facts"]
        account, handle, project = self.accounts.get(who), facts.get("handle"), facts.get("project")
        if account is None:
            if self.owners.setdefault(who, who) != who:
                raise ContradictionError(place, "an account has a pseudonym of its own")
            account = self.accounts[who] = begin_account(
                kind, facts, self.year, self.is_first, place
            )
        elif kind in ("account_opened", "carried"):
            begin_account(kind, facts, 0, False, place)
            raise ContradictionError(place, "an account is opened once, by its first entry")
        if handle is not None and self.owners.setdefault(handle, who) != who:
            raise ContradictionError(place, "a conversation has one account")
        if project is not None and self.owners.setdefault(project, who) != who:
            raise ContradictionError(place, "a project has one account")
        if (
            account.is_rest
            and kind != "carried"
            and (kind not in OF_CHOICES or time >= self.year_prefix)
        ):
            account.is_rest = False
            if account.grants is not None:
                account.grants.rest = False
        if kind in OWN_TIME:
            account.take_act(kind, facts, time, self.restored, place)
        if kind in GRANT_KINDS:
            self._take_grant_entry(account, kind, facts, time, place)
        elif kind in ("narrowed", "deleted", "project_kept_out"):
            self.excluded.add(handle or facts["project"])
        elif kind in ("widened", "project_let_in"):
            if handle is not None and account.was_deleted(handle):
                raise ContradictionError(place, "what was deleted is not included again")
            self.excluded.discard(handle or facts["project"])
        elif (
            kind == "notice_shown" and self.is_first and facts["sha256"] not in self.common.notices
        ):
            raise ContradictionError(place, "a notice that is shown was published before")
        if kind in IMPLYING:
            account.check_implied(kind, facts, self.restored, place)

    def _take_grant_entry(
        self, account: AccountStory, kind: str, facts: dict[str, Any], time: str, place: str
    ) -> None:
        if "scope" in facts:
            self.is_asked = True
        elif self.is_asked and kind != "grant_ended":
            raise ContradictionError(
                place, "since there are questions, choices and grants name their target"
            )
        if account.is_closed and kind in STARTS_GRANT:
            raise ContradictionError(place, CLOSED)
        (account.grants or account.grant_story()).take(kind, facts, time, self.excluded, place)


def _release_entry_key(entry: dict[str, Any]) -> str:
    """The key that identifies an entry about a release; "" for other entries."""
    kind, facts = entry["t"], entry["facts"]
    return (
        " ".join(
            str(part) for part in (kind, facts["release"], *map(facts.get, IDENTIFYING_FACTS[kind]))
        )
        if kind in IDENTIFYING_FACTS
        else ""
    )


def new_story(origin: str) -> Story:
    """Returns an empty story for the year at the end of a log's origin; `ValueError` without
    one.
    """
    year = origin.rpartition("/")[2]
    if len(year) != 4 or not year.isdecimal():
        raise ValueError("the origin of a licet log ends in its year; `--plain` is for other logs")
    return Story(int(year))


def pseudonym(salt: bytes) -> str:
    return hashlib.sha256(b"licet/who/v1" + salt).hexdigest()
