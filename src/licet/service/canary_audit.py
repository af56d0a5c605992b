"""The canary audit: tests whether a trained model knows content that was excluded
(`train.canaries`).

Creates its own installation with one account for each reason of exclusion, builds a release, trains
a model with production code, and measures what the model knows, on a simulated clock and with
synthetic text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from licet import __version__
from licet.config import Configuration, Curate
from licet.curate import splits
from licet.curate.release_build import build_release
from licet.errors import NotFoundError, RefusedError, UsageError
from licet.policy.decide import IMPROVE
from licet.policy.file import NamesTerm, preset
from licet.policy.period import Period, Unit, instant
from licet.policy.state import TurnRole
from licet.release import registry
from licet.service.policy_changes import apply_policy
from licet.store.connect import transaction
from licet.train import canaries, canary_register, consumption, local_runs, model_registry
from licet.train.canaries import ALPHA, Canary, CanaryFigures
from licet.train.canary_register import AuditedGroup, AuditResult, CanaryGroup, RecordedAudit
from licet.train.gate import TrainingGate
from licet.train.recipe import TrainingSettings
from licet.vault import commands as do
from licet.vault import policy_versions, verbs
from licet.vault.content import Content, encode
from licet.vault.ids import Prefix, host_hmac, parse, uuid7
from licet.vault.installation import Installation, load_host_key, open_installation

SETTINGS = TrainingSettings(
    steps=160, batch_rows=16, tokens_max=64, width=64, layers=2, heads=2, vocabulary=500
)
RELEASE = "canaries"
OTHERS, EACH_SAYS = 12, 3
WITHDRAWN_AT = 1  # the step of the withdrawal: step 0 is the vocabulary
# opted-in content is kept this long, so that it can expire within the audit
_KEPT = Period(30, Unit.days)
_OPENED, _EARLY, _SPOKEN, _BUILT = map(
    instant, ("2025-08-20", "2025-08-29", "2025-09-25", "2025-09-29")
)


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """``broken`` describes contradictions in the run's own record; ``rows`` counts consumed
    rows.
    """

    verdict: AuditResult
    groups: tuple[CanaryFigures, ...]
    rows: int
    steps: int
    broken: str
    seed: int


class Clock:
    def __init__(self) -> None:
        self.now = _OPENED

    def __call__(self) -> datetime:
        return self.now


@contextmanager
def audit_installation() -> Iterator[tuple[Installation, Clock]]:
    """Yields an empty temporary installation for the audit, and its clock."""
    clock = Clock()
    with TemporaryDirectory(prefix="licet-canaries-") as folder:
        config = Configuration(
            data=Path(folder), curate=Curate(names="off")
        )  # canaries must not be altered
        with open_installation(config, clock) as installation:
            yield installation, clock


def audit(
    installation: Installation,
    clock: Clock,
    *,
    seed: int = 1,
    settings: TrainingSettings = SETTINGS,
    gate_of: Callable[[TrainingGate], TrainingGate] = lambda gate: gate,
) -> Audit:
    """Plants canaries, builds a release, trains and measures; RefusedError unless ``installation``
    is empty and runs on ``clock``. ``gate_of`` wraps the run's gate, for tests in which the audit
    must fail.
    """
    with transaction(installation.pool) as tx:
        if policy_versions.load(tx) is not None or installation.clock is not clock:
            raise RefusedError(
                "the audit plants accounts in an empty installation of its own", because="not_empty"
            )
    planted = _Planting(installation, clock, seed)
    planted.plant_all()
    clock.now = _BUILT
    build_release(installation, name=RELEASE, purpose=IMPROVE)
    planted.withdraw(CanaryGroup.withdrawn_before)
    clock.now += timedelta(minutes=1)
    out, broken = installation.config.data / "model", ""
    try:
        local_runs.sft(
            installation, RELEASE, out, settings=settings, on_step=planted.on_step, gate_of=gate_of
        )
    except RefusedError as error:
        if error.because != "broken":
            raise
        broken = error.message  # the weights exist, but contradict the record beside them
    handed = planted.groups_of(consumption.read_record(out / consumption.FILE).ordinals)
    model, tokenizer = _load_model(out)
    ranks: dict[CanaryGroup, list[int]] = {}
    for canary in planted.canaries:
        ranks.setdefault(canary.group, []).append(canaries.rank(model, tokenizer, canary))
    groups = tuple(
        canaries.group_figures(group, ranks[group], handed[group]) for group in CanaryGroup
    )
    return Audit(
        verdict=AuditResult.failed if broken else canaries.verdict(groups),
        groups=groups,
        rows=handed.total(),
        steps=settings.steps,
        broken=broken,
        seed=seed,
    )


def check_model(installation: Installation, model: str) -> None:
    """Raises UsageError unless the model is registered; called before an audit of several
    minutes.
    """
    try:
        with transaction(installation.pool) as tx:
            model_registry.get(tx, parse(Prefix.model, model))
    except NotFoundError:
        raise UsageError(
            f"no model `{model}` is on record", "`licet models list` shows them"
        ) from None


def record_audit(
    installation: Installation, model: str, audit: Audit, *, actor: str
) -> RecordedAudit:
    """Records an audit's figures for a model; NotFoundError."""
    now = installation.clock()
    excluded = [group for group in audit.groups if group.group is not CanaryGroup.permitted]
    new = RecordedAudit(
        audited_at=now,
        audited_by=actor,
        licet=__version__,
        recipe=local_runs.RECIPE,
        verdict=audit.verdict,
        planted=sum(figures.planted for figures in excluded),
        exposed=sum(figures.planted for figures in excluded if figures.p < ALPHA),
        bound=ALPHA,
        rows=audit.rows,
        steps=audit.steps,
        seed=audit.seed,
        broken=audit.broken,
        groups=msgspec.convert(audit.groups, tuple[AuditedGroup, ...], from_attributes=True),
    )
    with transaction(installation.pool) as tx:
        named = parse(Prefix.model, model)
        model_registry.get(tx, named)
        canary_register.add(tx, uuid7(now, installation.keyring.random(10)), named, new)
    return new


def with_steps(steps: int) -> TrainingSettings:
    return replace(SETTINGS, steps=steps)


class _Planting:
    """Plants the canaries; the same seed plants the same words in the same order."""

    def __init__(self, installation: Installation, clock: Clock, seed: int) -> None:
        self._installation, self._clock, self._seed = installation, clock, seed
        self._random = Random(f"licet accounts {seed}")  # noqa: S311 ids of nobody
        self._host_key = load_host_key(installation)
        self._accounts: dict[str, UUID] = {}
        self.canaries = canaries.draw(seed)
        self._withdrawn = False

    def plant_all(self) -> None:
        """Opens all accounts with their choices and conversations."""
        policy = preset("article-2025")
        apply_policy(
            self._installation,
            replace(policy, names=NamesTerm.left_in, keep=policy.keep.changed({"opted_in": _KEPT})),
            actor="canaries",
        )
        for group in CanaryGroup:
            self._open(group.value, held_out=False)
        for number in range(OTHERS):
            self._open(f"other-{number}", held_out=number == 0)
        self._advance_to(_EARLY)
        self._choose(CanaryGroup.expired.value, allow=True)
        self._plant_group(CanaryGroup.expired)
        self._advance_to(_SPOKEN)
        for group in CanaryGroup:
            if group not in (CanaryGroup.expired, CanaryGroup.undecided):
                self._choose(group.value, allow=True)
            if group is not CanaryGroup.expired:
                self._plant_group(group)
        fillers = iter(canaries.filler_conversations(self._seed, OTHERS * EACH_SAYS))
        for number in range(OTHERS):
            self._choose(f"other-{number}", allow=True)
            for chat in range(EACH_SAYS):
                self._talk(f"other-{number}", f"other-{number}-{chat}", next(fillers))

    def withdraw(self, group: CanaryGroup) -> None:
        self._choose(group.value, allow=False)

    def on_step(self, step: int, _ordinals: Sequence[int]) -> None:
        """After the first training step, withdraws an account."""
        if step >= WITHDRAWN_AT and not self._withdrawn:
            self._withdrawn = True
            self.withdraw(CanaryGroup.withdrawn_during)

    def groups_of(self, ordinals: Iterable[int]) -> Counter[CanaryGroup | None]:
        """Counts these rows of the release by group; other accounts' under None."""
        group_of = {self._accounts[group.value]: group for group in CanaryGroup}
        with transaction(self._installation.pool) as tx:
            built = registry.find(tx, RELEASE)
            assert built is not None
            accounts = registry.accounts_at(tx, built.release_id, list(ordinals))
        return Counter(group_of.get(account) for account in accounts.values())

    def _plant_group(self, group: CanaryGroup) -> None:
        for canary in self.canaries:
            if canary.group is group:
                self._plant(canary)

    def _plant(self, canary: Canary) -> None:
        name, chat = canary.group.value, f"box-{canary.box}"
        conversation = self._talk(
            name,
            chat,
            (canary.question, canary.answer(canary.words)),
            incognito=canary.group is CanaryGroup.incognito,
            surface="api" if canary.group is CanaryGroup.out_of_scope else "app",
        )
        if canary.group is CanaryGroup.deleted and conversation is not None:
            self._execute(
                do.Delete(account=self._accounts[name], at=self._clock(), conversation=conversation)
            )

    def _open(self, name: str, *, held_out: bool) -> None:
        """Opens an account with an id on the required side of the train/held-out split."""
        while True:
            account = uuid7(self._clock(), self._random.randbytes(10))
            is_learnt = splits.assign_split(account.bytes, splits.Shares()) is splits.Split.train
            if is_learnt and local_runs.is_held_out(account) == held_out:
                break
        self._accounts[name] = account
        host = host_hmac(self._host_key, "account", name)
        self._execute(
            do.OpenAccount(account=account, at=self._clock(), host=host, plan="pro", age=30)
        )

    def _choose(self, name: str, *, allow: bool) -> None:
        self._execute(do.Choose(account=self._accounts[name], at=self._clock(), allow=allow))

    def _talk(self, name: str, chat: str, texts: tuple[str, str], **more: Any) -> UUID | None:  # noqa: ANN401 of `Say`
        answer = None
        for number, (text, role) in enumerate(
            zip(texts, (TurnRole.user, TurnRole.assistant), strict=True)
        ):
            command = do.AddTurn(
                account=self._accounts[name],
                at=self._clock(),
                role=role,
                content=encode(Content(text=text)),
                host_conversation=host_hmac(self._host_key, "conversation", chat),
                host_turn=host_hmac(self._host_key, "turn", chat, str(number)),
                **more,
            )
            answer = self._execute(command)
        return answer.conversation if answer is not None else None

    def _execute(self, command: do.Command) -> do.CommandResult:
        """Executes a command and advances the clock by a second, so that ids have the same order
        each run.
        """
        (answer,) = verbs.apply_commands(self._installation, [command])
        if answer.outcome is not do.Outcome.done:
            raise RefusedError(
                f"a canary could not be planted: `{answer.because}`", because=answer.because
            )
        self._clock.now += timedelta(seconds=1)
        return answer

    def _advance_to(self, moment: datetime) -> None:
        self._clock.now = max(self._clock.now, moment)


def _load_model(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(
        folder, local_files_only=True, use_safetensors=True
    )
    return model, AutoTokenizer.from_pretrained(folder, local_files_only=True)
