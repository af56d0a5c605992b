"""Operations across subjects: explanations and status, policy changes, verification of artefacts,
and the server's background work.

An operation on one subject belongs in that subject's package. A function here takes the
installation and plain values, and returns a value that explains itself; it prints nothing.
"""
