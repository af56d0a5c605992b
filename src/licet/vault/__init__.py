"""Where conversations are kept: the account's journal and state, sealed content, choices,
retention, holds.

All writes go through `apply` (called by `verbs`), and all reads of content through `permit`, which
needs a decision. Erasure is in `licet.erasure`: the key first, then the rows.
"""
