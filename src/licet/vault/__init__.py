"""Where conversations are kept: the account's journal and state, sealed content, choices, retention, holds.

One way in (`apply`, through `verbs`), one way to content (`permit`, which only a decision gives). What goes is the business of
`licet.erasure`: the key first, then the rows.
"""
