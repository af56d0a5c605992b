"""A forecast of any staff verb, and of any act of the inbox, changes no row and no file; a verb
that declares none is not run for one.
"""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn
from uuid import UUID

import msgspec
import pytest

from licet.access.roles import StaffRole
from licet.erasure import certificates, recall_register
from licet.errors import LicetError
from licet.proof import documents
from licet.service import inbox_acts, staff_verbs
from licet.service.inbox_acts import ActValues
from licet.service.inbox_sources import ItemKind
from licet.service.staff_verb import AnyVerb, StaffVerb, VerbCall
from licet.store.connect import Pool, transaction
from licet.train import export_files
from licet.train.exports import Format
from licet.vault import holds
from licet.vault.commands import Delete, HoldReason
from licet.webhooks import endpoints

from ..terms import preset
from .served import World
from .test_console_releases import Released, learnt
from .test_inbox_items import asked, member
from .test_matrix import BODIES, FORMS
from .test_staff_acts_api import suggested

HOLD = {"matter": "Smith v. Acme"}
# There is none yet: a backup, witnesses, a key that is due for destruction.
REFUSED = {"order_verbs.DRILL", "order_verbs.COSIGN", "order_verbs.DESTROY", "order_verbs.GIVE"}


def declared() -> dict[str, AnyVerb]:
    """Every declaration, also of verbs that only acts of the inbox call, by module and name."""
    return {
        f"{name}.{constant}": verb
        for name, module in vars(staff_verbs).items()
        if name.endswith("_verbs")
        for constant, verb in vars(module).items()
        if isinstance(verb, StaffVerb)
    }


VERBS = declared()
FORECASTS = {name for name, verb in VERBS.items() if verb.would is not None}


class Busy:
    """An installation where each verb with a forecast has something to do, and each kind of item
    with acts a subject.
    """

    def __init__(self, pool: Pool, folder: Path) -> None:
        policy = msgspec.structs.replace(preset("article-2025"), recipients=frozenset({"lab-one"}))
        self.world = world = World(pool, folder / "data", policy)
        released, installation = Released(world), world.installation
        release = released.ids["autumn"]
        ana, bo, cy = (released.chats[name] for name in ("ana", "bo", "cy"))
        model = f"model_{learnt(installation, release, folder).hex}"
        export = export_files.export(
            installation, "autumn", Format.trl, recipient="lab-one", out=folder / "theirs"
        ).export
        handout = recall_register.hand_out(installation, "autumn", "lab-two")
        endpoints.add(installation, "chat", "https://chat.example.org/licet", ())
        world.key(name="assistant")
        self.officer = member(world, "ada@example.org", *StaffRole)
        member(world, "new@example.org", StaffRole.auditor)
        suggested(world, "ana", ana)
        suggested(world, "cy", cy)
        world.flag("cy", cy)
        holds.place(
            installation, [cy], matter=HOLD["matter"], reason=HoldReason.litigation, by="user:test"
        )
        with transaction(pool) as tx:
            held = f"{cy}+{holds.matter_hash(installation, tx, HOLD['matter']).hex()}"
        recalled = f"{self.deleted('bo', bo)}+{handout}"
        certificates.advance_erasures(installation, at_once=True)
        documents.append(installation)
        erasure, request = self.deleted("ana", world.say("ana", "gone")), asked(world)
        self.named = {
            "conversation": cy,
            "endpoint": "chat",
            "erasure": recalled.partition("+")[0],
            "export": str(export),
            "handout": handout,
            "model": model,
            "name": "assistant",
            "release": release.hex,
            "staff": "new@example.org",
        }
        # Of verbs without an address: the target, and the body.
        self.calls: dict[str, tuple[str, dict[str, Any]]] = {
            "access_verbs.CHANGE_LIMITS": ("assistant", {"scopes": ["gate:read"], "reason": "why"}),
            "erasure_verbs.ADVANCE": ("", {}),
            "erasure_verbs.DECIDE_OPEN": (ana, {"decision": "dismiss"}),
            "hold_verbs.PLACE_SEVERAL": (f"{ana}+{cy}", {**HOLD, "reason": "litigation"}),
            "hold_verbs.END_ITEM": (held, HOLD),
            "hold_verbs.END_SEVERAL": (cy, HOLD),
        }
        self.subjects = {
            ItemKind.request: request,
            ItemKind.erasure: erasure,
            ItemKind.recall: recalled,
            ItemKind.misuse: ana,
            ItemKind.flag: cy,
            ItemKind.hold: held,
            ItemKind.review: release.hex,
            ItemKind.signature: release.hex,
            ItemKind.sweep: "sweep",
            ItemKind.model: model,
        }

    def deleted(self, name: str, chat: str) -> str:
        """The erasure of a conversation that its person deleted."""
        (done,) = self.world.tell(
            Delete(
                account=self.world.accounts[name],
                at=self.world.clock.now,
                conversation=UUID(hex=chat[5:]),
            )
        )
        assert done.erasure is not None
        return f"era_{done.erasure.hex}"

    def call(self, name: str) -> VerbCall[Any]:
        verb = VERBS[name]
        if path := verb.route_path or verb.page_path:
            target = "+".join(self.named[name] for name in re.findall(r"{(\w+):str}", path))
            sent = BODIES.get(f"{verb.method} {path}") or FORMS.get(f"POST {path}") or {}
            sent = {"reason": "why", **sent} if verb.asks_reason else sent
        else:
            target, sent = self.calls[name]
        fields = {field.name for field in msgspec.structs.fields(verb.takes)} - {"dry_run"}
        return VerbCall(
            installation=self.world.installation,
            actor="staff:ada@example.org",
            member=self.officer,
            wall=self.world.wall,
            sent=verb.body({name: value for name, value in sent.items() if name in fields}),
            target=target or str(sent.get(verb.named_by, "")),
        )

    def stored(self) -> dict[str, str]:
        """Every table with a hash of its rows, and every file with a hash of its bytes."""
        names = [name for (name,) in self.world.rows(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )]  # fmt: skip
        found = {
            name: str(
                self.world.rows(
                    f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {name} t"
                )
            )
            for name in names
        }
        folder = self.world.installation.config.data
        files = (path for path in folder.rglob("*") if path.is_file())
        return found | {str(path): sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def busy(pool: Pool, tmp_path: Path) -> Busy:
    return Busy(pool, tmp_path)


def test_a_forecast_of_any_verb_changes_nothing(busy: Busy) -> None:
    before, refused = busy.stored(), set()
    for name in FORECASTS:
        try:
            VERBS[name].forecast(busy.call(name))
        except LicetError:
            refused.add(name)
        assert busy.stored() == before, name
    assert refused == REFUSED


def test_a_forecast_of_any_act_of_the_inbox_changes_nothing(busy: Busy) -> None:
    before = busy.stored()
    values = ActValues(reason="why", matter=HOLD["matter"], amount=0)
    for kind in ItemKind:
        for act in inbox_acts.list_acts(kind):
            codes = act.codes or ("",)
            act.forecast(
                busy.world.installation,
                busy.officer,
                busy.subjects[kind],
                msgspec.structs.replace(values, code=codes[0]),
            )
            assert busy.stored() == before, (kind, act.name)


@pytest.mark.parametrize("name", sorted(set(VERBS) - FORECASTS))
def test_a_verb_that_declares_no_forecast_takes_no_dry_run_and_is_not_run_for_one(
    name: str,
) -> None:
    verb = VERBS[name]
    assert "dry_run" not in {field.name for field in msgspec.structs.fields(verb.takes)}

    def act(_: object) -> NoReturn:
        raise AssertionError

    call: Any = object()
    assert msgspec.structs.replace(verb, run=act).forecast(call) == (None, ())
