"""Masking for a whole step of several ranks that accumulate gradients over several batches.

    for step in MaskedSteps(loader, gate, accumulate=4, ranks=TorchRanks()):
        for attempt in step:
            optimizer.zero_grad()
            for batch in attempt:
                loss(batch).backward()
        optimizer.step()

`batch_mask` checks each batch just before use. That misses withdrawals after gradients of a row are
accumulated, or between two ranks' checks. Here all batches of a step are checked together, by one
bitmap on every rank, and again before the step is taken: if any rank's row was withdrawn meanwhile,
every rank makes another attempt, with that row masked.

Invariants: in a step that is taken, no rank used a row withdrawn by the bitmap that all of them
last agreed on; every rank makes the same number of attempts with the same number of batches. A
later withdrawal takes effect in the next step.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, Protocol

from licet.errors import BusyError, UsageError
from licet.train.batch_mask import mask_batch
from licet.train.dataset import ORDINAL
from licet.train.gate import HandOff, RowGate, Used

AGREE_SECONDS_MAX = 600.0
AGREE_PAUSE_SECONDS = 0.05
_DEAL = "use `licet.train.mix.RankBatches`, or the `batches` of a mix"


class Ranks(Protocol):
    """The ranks of a run, which call this in the same order."""

    def highest(self, numbers: Sequence[int]) -> list[int]:
        """The maximum over all ranks of each number."""
        ...


class OneRank:
    """A run of one process."""

    def highest(self, numbers: Sequence[int]) -> list[int]:
        return list(numbers)


class TorchRanks:
    """The ranks of `torch.distributed`, or of a ``group`` of it."""

    def __init__(self, group: Any = None) -> None:  # noqa: ANN401 torch's own
        self._group = group

    def highest(self, numbers: Sequence[int]) -> list[int]:
        import torch
        import torch.distributed as dist

        device = "cuda" if dist.get_backend(self._group) == "nccl" else "cpu"
        tensor = torch.tensor(list(numbers), dtype=torch.int64, device=device)
        dist.all_reduce(tensor, op=dist.ReduceOp.MAX, group=self._group)
        return [int(each) for each in tensor.tolist()]


class MaskedSteps:
    """A loader's batches, ``accumulate`` a step, checked for the whole step on all ``ranks``.

    ``used`` is called before each attempt with its rows. Steps count from ``step``. An incomplete
    last step is dropped.
    """

    def __init__(
        self,
        loader: Iterable[Any],
        gate: RowGate,
        *,
        accumulate: int = 1,
        ranks: Ranks | None = None,
        used: Used | None = None,
        step: int = 0,
        pad: int = 0,
        ordinal: str = ORDINAL,
    ) -> None:
        if accumulate < 1:
            raise UsageError(f"a step has at least one batch, not `{accumulate}`")
        self.loader, self.step, self._accumulate, self.used = loader, step, accumulate, used
        self._before = step
        self._mask = AgreedMask(gate, ranks or OneRank(), pad=pad, ordinal=ordinal)

    def __iter__(self) -> Iterator[MaskedStep]:
        self._before, batches = self.step, iter(self.loader)
        while len(step_batches := list(islice(batches, self._accumulate))) == self._accumulate:
            self.step += 1
            yield MaskedStep(step_batches, self._mask, self.used, self.step - 1)

    def state_dict(self) -> dict[str, int]:
        """The state to save with a checkpoint after a step, equal on every rank: the steps taken,
        and the position after them, from which any number of ranks resumes.
        """
        taken = (self.step - self._before) * self._accumulate
        return {"step": self.step, "position": int(self._batches().position(taken))}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Resumes after the steps of a `state_dict`, before any is read. Rows withdrawn since are
        masked.
        """
        self.step = self._before = state["step"]
        self._batches().first = state["position"]

    def _batches(self) -> Any:  # noqa: ANN401 `mix.RankBatches`, which imports what imports this
        """The sampler of this rank's positions."""
        loader: Any = self.loader
        while (sampler := getattr(loader, "batch_sampler", None)) is None:
            if (loader := getattr(loader, "loader", None)) is None:
                raise UsageError(
                    "this loader has no `batch_sampler` that knows its position", _DEAL
                )
        if not hasattr(sampler, "position"):
            raise UsageError("the `batch_sampler` of this loader does not know its position", _DEAL)
        return sampler


class MaskedTogether(NamedTuple):
    """Batches masked by one bitmap on every rank: their ordinals on this rank, whether each has a
    row ``left`` here, and the largest number of masked rows on any rank.
    """

    batches: list[Any]
    ordinals: list[int]
    left: list[bool]
    gone: int


class AgreedMask:
    """Masks batches by one bitmap, the same on all ``ranks``, which call `mask` in the same
    order.
    """

    def __init__(
        self, gate: RowGate, ranks: Ranks, *, pad: int = 0, ordinal: str = ORDINAL
    ) -> None:
        self._gate, self.ranks, self._pad, self._ordinal = gate, ranks, pad, ordinal

    def mask(self, batches: Sequence[Any], step: int) -> MaskedTogether:
        started, gone = time.monotonic(), 0
        while True:
            before = self._gate.numbers
            check = _CountingHandOff(self._gate)
            refused = [
                mask_batch(batch, check, step, pad=self._pad, ordinal=self._ordinal)
                for batch in batches
            ]
            batches = [batch for batch, _ in refused]
            gone += check.gone
            if self._agree(before, started):
                left = [is_left for _, is_left in refused]
                return MaskedTogether(
                    batches, sorted(check.passed), left, self.ranks.highest([gone])[0]
                )

    def _agree(self, before: Sequence[int], started: float) -> bool:
        """Whether this call checked by one bitmap on every rank; otherwise waits until this rank
        has the highest number.
        """
        now = self._gate.numbers
        *highest, any_moved = self.ranks.highest([*now, int(before != now)])
        lowest = [-number for number in self.ranks.highest([-number for number in now])]
        if highest == lowest and not any_moved:
            return True
        while any(mine < theirs for mine, theirs in zip(self._gate.numbers, highest, strict=True)):
            if time.monotonic() - started > AGREE_SECONDS_MAX:
                raise BusyError(
                    f"this rank is still at bitmap `{now}`, another at `{highest}`",
                    "is `licet train gate` running here?",
                )
            time.sleep(AGREE_PAUSE_SECONDS)
            self._gate.check([])
        return False


class MaskedStep:
    """One step: iterate it for its attempts, each the list of its batches; ``attempts`` counts
    them.
    """

    def __init__(
        self, batches: list[Any], mask: AgreedMask, used: Used | None, number: int
    ) -> None:
        self._batches, self._mask, self._used, self.number = batches, mask, used, number
        self.attempts = 0

    def __iter__(self) -> Iterator[list[Any]]:
        now = self._mask.mask(self._batches, self.number)
        again = True
        while again:
            self.attempts += 1
            if self._used is not None:
                self._used(self.number, now.ordinals)
            yield list(now.batches)
            now = self._mask.mask(now.batches, self.number)
            again = now.gone > 0


class _CountingHandOff(HandOff):
    """A hand-off that counts refused rows and records the others."""

    def __init__(self, gate: RowGate) -> None:
        self.passed: set[int] = set()
        self.gone = 0
        super().__init__(gate, lambda _step, ordinals: self.passed.update(ordinals))

    def __call__(self, step: int, ordinals: Sequence[int]) -> list[int]:
        gone = super().__call__(step, ordinals)
        self.gone += len(gone)
        return gone
