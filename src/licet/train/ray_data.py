"""The training gate for Ray Data: data sets with `ordinal`, read on any node with the gate's
folder.

    rows = gated(ray.data.read_parquet(...), gate)
    for batch in MaskedBatches(rows.iter_torch_batches(batch_size=32), gate): ...

As many rows come out as go in. A withdrawn row is replaced by one of its block, drawn by a hash of
its ordinal; if the whole block is withdrawn its rows are null, with the ordinal -1. Each node keeps
the gate's file at the same path (`licet train gate`). `streaming_split(n, equal=True)` may drop
rows to make shares equal, whatever was withdrawn: give it a number of rows that is divisible by n.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from licet.train.batch_mask import NO_ROW
from licet.train.dataset import ORDINAL, hash_ordinal
from licet.train.gate import TrainingGate

if TYPE_CHECKING:
    import pyarrow as pa


class WithdrawnReplacer:
    """Replaces withdrawn rows, a block of rows at a time."""

    def __init__(self, gate: TrainingGate, ordinal: str = ORDINAL) -> None:
        self._gate, self._ordinal = gate, ordinal

    def __call__(self, block: pa.Table) -> pa.Table:
        import pyarrow as pa

        place = block.schema.get_field_index(self._ordinal)
        block = block.set_column(place, self._ordinal, block[self._ordinal].cast(pa.int64()))
        withdrawn = self._gate.glance()
        ordinals: list[int] = block[self._ordinal].to_numpy().tolist()
        withdrawn_places = [at for at, ordinal in enumerate(ordinals) if ordinal in withdrawn]
        if not withdrawn_places:
            return block
        usable = sorted(set(range(len(ordinals))) - set(withdrawn_places))
        if not usable:
            columns = [pa.nulls(len(ordinals), field.type) for field in block.schema]
            columns[place] = pa.array([NO_ROW] * len(ordinals), pa.int64())
            return pa.table(columns, schema=block.schema)
        indices = list(range(len(ordinals)))
        for at in withdrawn_places:
            indices[at] = usable[hash_ordinal(ordinals[at]) % len(usable)]
        return block.take(pa.array(indices, pa.int64()))


def gated(rows: Any, gate: TrainingGate, ordinal: str = ORDINAL) -> Any:  # noqa: ANN401 Ray's
    """Puts ``rows`` behind the gate, in order; prefetched rows are checked at hand-off."""
    made = rows.map_batches(
        WithdrawnReplacer(gate, ordinal), batch_format="pyarrow", batch_size=None
    )
    made.context.execution_options.preserve_order = True
    return made
