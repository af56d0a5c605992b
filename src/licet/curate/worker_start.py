"""Preloads what build workers need: its import loads curation and runs it on one text.

Only the server process of forked workers (`release.build_workers`) imports it, to load rules,
tables and compiled loops once. It holds no content and no key, and starts no threads except numpy's
linear algebra's, which idle through a fork and are not used.
"""

from __future__ import annotations

import gc

from licet.curate import compiled
from licet.curate.batches import batches
from licet.curate.kernels import DeidentifyKernel, LabelKernel, SketchKernel
from licet.curate.plan import CurationPlan
from licet.curate.rule_cleaner import RuleCleaner
from licet.policy.state import ConversationKind
from licet.release.curation import Document, Voice

_TEXT = (
    "A person asks for the name of a pear that grows on a north wall, and when one plants it "
    "there.\n- in autumn\n"
)


def _load_modules() -> None:
    compiled.load()
    one = Document(
        account=bytes(16),
        name=bytes(16),
        kind=ConversationKind.chat,
        key=bytes(32),
        voices=(Voice.user,),
        texts=(_TEXT,),
    )
    steps = SketchKernel(key=bytes(32)), DeidentifyKernel(cleaner=RuleCleaner()), LabelKernel()
    for batch in batches([one]):
        CurationPlan(steps)(batch)
    gc.collect()
    # otherwise a collection in a worker would write to all objects, and so copy their pages
    gc.freeze()


_load_modules()
