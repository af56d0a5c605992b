"""Ranks that share each sequence: all of a group read the same rows, and each of them holds a slice
of their tokens.

    group = SequenceGroup.of_consecutive(2)
    batches = mix.batches(32, rank=rank, ranks=ranks, sequence_parallel=2)
    loader = SharedBatches(DataLoader(mix, batch_sampler=batches, collate_fn=collate), group)
    for step in MaskedSteps(map(group.cut, loader), mix.gate, ranks=TorchRanks()): ...

Equal positions alone do not give equal rows: a row that is withdrawn after one rank read it and
before another did is replaced for the second, and the two would hold slices of different texts. So
the first rank of a group reads, and the others get its batches.

The ordinals are cut with the tokens. `MaskedSteps` then masks a withdrawn row in every slice, in
the same step, because it checks all ranks by one bitmap. Each rank reports the rows of its own
slice as used; those of the group are the union.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from licet.errors import DeniedError, UsageError
from licet.train.batch_mask import MASKED
from licet.train.dataset import ORDINAL
from licet.train.step_mask import TorchRanks


def stream_of(rank: int, ranks: int, sequence_parallel: int) -> tuple[int, int]:
    """Which stream of rows a rank reads, of how many: each ``sequence_parallel`` consecutive ranks
    read one.
    """
    if sequence_parallel < 1 or not 0 <= rank < ranks or ranks % sequence_parallel:
        raise UsageError(
            f"rank `{rank}` of `{ranks}` in groups of `{sequence_parallel}` cannot be",
            "the number of ranks is a multiple of `sequence_parallel`",
        )
    return rank // sequence_parallel, ranks // sequence_parallel


class SequenceGroup:
    """The ranks of a process ``group`` of `torch.distributed`, which share each sequence in their
    order.
    """

    def __init__(self, group: Any) -> None:  # noqa: ANN401 torch's own
        import torch.distributed as dist

        self._group, self._first, self.ranks = (
            group,
            dist.get_global_rank(group, 0),
            TorchRanks(group),
        )
        self.place, self.size = dist.get_rank(group), dist.get_world_size(group)

    @classmethod
    def of_consecutive(cls, sequence_parallel: int) -> SequenceGroup:
        """The group of this rank among groups of so many consecutive ranks; every rank of the run
        calls this.
        """
        import torch.distributed as dist

        mine, count = stream_of(dist.get_rank(), dist.get_world_size(), sequence_parallel)
        starts = range(0, count * sequence_parallel, sequence_parallel)
        return cls(
            [dist.new_group(list(range(start, start + sequence_parallel))) for start in starts][
                mine
            ]
        )

    def broadcast(self, value: Any) -> Any:  # noqa: ANN401 any object that can be pickled
        """The value that the first rank of the group passed; every rank of it calls this."""
        import torch.distributed as dist

        box = [value if self.place == 0 else None]
        dist.broadcast_object_list(box, src=self._first, group=self._group)
        return box[0]

    def share(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """The first rank's batch on this rank's device; each rank gives the one that it read."""
        import torch

        tensors = {name: value for name, value in batch.items() if isinstance(value, torch.Tensor)}
        device = next((value.device for value in tensors.values()), torch.device("cpu"))
        given = self.broadcast({**batch, **{name: value.cpu() for name, value in tensors.items()}})
        return {
            name: value.to(device) if isinstance(value, torch.Tensor) else value
            for name, value in given.items()
        }

    def cut(self, batch: Mapping[str, Any], ordinal: str = ORDINAL) -> dict[str, Any]:
        """This rank's slice of a batch (`sliced`)."""
        return sliced(batch, self.place, self.size, ordinal)


class SharedBatches:
    """The batches of ``loader`` as the first rank of ``group`` reads them, on all of its ranks.

    The others do not read ``loader``. If it fails or ends on the first rank, it does so on all of
    them.
    """

    def __init__(self, loader: Iterable[Any], group: SequenceGroup) -> None:
        self.loader, self.group = loader, group

    def __iter__(self) -> Iterator[Any]:
        return self._read() if self.group.place == 0 else self._received()

    def _read(self) -> Iterator[Any]:
        batches = iter(self.loader)
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                self.group.broadcast(("end", None))
                return
            except Exception as error:
                self.group.broadcast(("failed", str(error)))
                raise
            self.group.broadcast(("batch", batch))
            yield batch

    def _received(self) -> Iterator[Any]:
        while True:
            kind, content = self.group.broadcast(None)
            if kind == "end":
                return
            if kind == "failed":
                raise DeniedError(
                    f"the rank that reads for this one stopped: {content}", "read its log"
                )
            yield content


def sliced(
    batch: Mapping[str, Any], place: int, size: int, ordinal: str = ORDINAL
) -> dict[str, Any]:
    """The tokens of part ``place`` of ``size`` equal parts of each sequence, with their ordinals.

    Tensors that begin with the shape of `input_ids` are cut along the tokens; everything else stays
    whole. Where there are `labels`, the slice has `shift_labels` too, as transformers names them:
    the label of a token is the next token, which may be in the next slice. Across two rows there is
    none.
    """
    import torch

    rows, tokens = batch["input_ids"].shape
    if tokens % size:
        raise UsageError(
            f"a sequence of `{tokens}` tokens cannot be cut into `{size}` slices",
            "pad it to a multiple (`pad_to_multiple_of`)",
        )
    if ordinal not in batch:
        raise UsageError(f"the batch has no `{ordinal}`, so its rows cannot be checked")
    whole = dict(batch)
    if "labels" in whole:
        whole["shift_labels"] = _next_labels(whole["labels"], torch.as_tensor(whole[ordinal]))
    width = tokens // size
    columns = slice(place * width, (place + 1) * width)
    return {
        name: value[:, columns].clone()
        if isinstance(value, torch.Tensor) and value.shape[:2] == (rows, tokens)
        else value
        for name, value in whole.items()
    }


def _next_labels(labels: Any, ordinals: Any) -> Any:  # noqa: ANN401 tensors
    """The label of the next token at each token, both (rows, tokens); none where the next token is
    of another row.
    """
    following = labels.roll(-1, 1)
    following[:, -1] = MASKED
    if ordinals.dim() == labels.dim():
        following[:, :-1][ordinals[:, 1:] != ordinals[:, :-1]] = MASKED
    return following
