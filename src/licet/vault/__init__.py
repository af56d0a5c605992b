"""Where conversations are kept: the account's journal and state, keys, sealed content, retention and erasure.

One way in (`apply`), one way to content (`open`, with a permit that only a decision gives), one way out
(`erase`: the key first, then the rows).
"""
