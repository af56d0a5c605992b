"""Sequence parallelism: the ranks of a group read the same rows, each holding a slice of their
tokens.

    group = SequenceGroup.of_consecutive(2)
    batches = mix.batches(32, rank=rank, ranks=ranks, sequence_parallel=2)
    loader = SharedBatches(DataLoader(mix, batch_sampler=batches, collate_fn=collate), group)
    for step in MaskedSteps(map(group.cut, loader), mix.gate, ranks=TorchRanks()): ...

Equal positions do not guarantee equal rows: a row withdrawn between two ranks' reads is replaced
for the second, and they would hold slices of different texts. So the first rank of a group reads,
and broadcasts its batches.

Ordinals are cut with the tokens. `MaskedSteps` masks a withdrawn row in every slice in the same
step, because it checks all ranks by one bitmap. Each rank reports the rows of its own slice as
used; the group's are the union.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from licet.errors import DeniedError, UsageError
from licet.train.batch_mask import MASKED
from licet.train.dataset import ORDINAL
from licet.train.step_mask import TorchRanks


def row_stream(rank: int, ranks: int, sequence_parallel: int) -> tuple[int, int]:
    """The row stream that a rank reads, and the number of streams: each ``sequence_parallel``
    consecutive ranks read one.
    """
    if sequence_parallel < 1 or not 0 <= rank < ranks or ranks % sequence_parallel:
        raise UsageError(
            f"rank `{rank}` of `{ranks}` in groups of `{sequence_parallel}` cannot be",
            "the number of ranks is a multiple of `sequence_parallel`",
        )
    return rank // sequence_parallel, ranks // sequence_parallel


class SequenceGroup:
    """The ranks of a `torch.distributed` process ``group``, which share each sequence in order."""

    def __init__(self, group: Any) -> None:  # noqa: ANN401 torch's own
        import torch.distributed as dist

        self._group = group
        self._first = dist.get_global_rank(group, 0)
        self.ranks = TorchRanks(group)
        self.place, self.size = dist.get_rank(group), dist.get_world_size(group)

    @classmethod
    def of_consecutive(cls, sequence_parallel: int) -> SequenceGroup:
        """This rank's group among groups of consecutive ranks; every rank of the run calls this."""
        import torch.distributed as dist

        mine, count = row_stream(dist.get_rank(), dist.get_world_size(), sequence_parallel)
        starts = range(0, count * sequence_parallel, sequence_parallel)
        return cls(
            [dist.new_group(list(range(start, start + sequence_parallel))) for start in starts][
                mine
            ]
        )

    def broadcast(self, value: Any) -> Any:  # noqa: ANN401 any object that can be pickled
        """The value passed by the first rank of the group; every rank of it calls this."""
        import torch.distributed as dist

        box = [value if self.place == 0 else None]
        dist.broadcast_object_list(box, src=self._first, group=self._group)
        return box[0]

    def share(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """The first rank's batch on this rank's device; each rank passes the one it read."""
        import torch

        tensors = {name: value for name, value in batch.items() if isinstance(value, torch.Tensor)}
        device = next((value.device for value in tensors.values()), torch.device("cpu"))
        shared = self.broadcast({**batch, **{name: value.cpu() for name, value in tensors.items()}})
        return {
            name: value.to(device) if isinstance(value, torch.Tensor) else value
            for name, value in shared.items()
        }

    def cut(self, batch: Mapping[str, Any], ordinal: str = ORDINAL) -> dict[str, Any]:
        """This rank's slice of a batch (`slice_batch`)."""
        return slice_batch(batch, self.place, self.size, ordinal)


class SharedBatches:
    """The batches of ``loader`` as the first rank of ``group`` reads them, on all of its ranks.

    The others do not read ``loader``; its failure or end on the first rank reaches all.
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


def slice_batch(
    batch: Mapping[str, Any], place: int, size: int, ordinal: str = ORDINAL
) -> dict[str, Any]:
    """The tokens of part ``place`` of ``size`` equal parts of each sequence, with their ordinals.

    Tensors whose shape begins with that of `input_ids` are cut along the tokens; everything else
    stays whole. With `labels`, the slice also has `shift_labels`, named as in transformers: the
    label of a token is the next token, which may be in the next slice, but not in another row.
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
    sliced = dict(batch)
    if "labels" in sliced:
        sliced["shift_labels"] = _next_labels(sliced["labels"], torch.as_tensor(sliced[ordinal]))
    width = tokens // size
    columns = slice(place * width, (place + 1) * width)
    return {
        name: value[:, columns].clone()
        if isinstance(value, torch.Tensor) and value.shape[:2] == (rows, tokens)
        else value
        for name, value in sliced.items()
    }


def _next_labels(labels: Any, ordinals: Any) -> Any:  # noqa: ANN401 tensors
    """The label of the next token at each token, both (rows, tokens); none if the next token
    belongs to another row.
    """
    following = labels.roll(-1, 1)
    following[:, -1] = MASKED
    if ordinals.dim() == labels.dim():
        following[:, :-1][ordinals[:, 1:] != ordinals[:, :-1]] = MASKED
    return following
