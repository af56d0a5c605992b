"""What crosses subjects: explanations and status, policy changes, verification of artefacts, and
the background work of the server.

A verb of one subject belongs in that subject's room. A verb here takes the installation and plain
values, and returns a value that explains itself; it prints nothing.
"""
