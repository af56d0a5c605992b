"""What crosses subjects: why a turn may be used and what is to come, changes of policy, checking artefacts, the work that
goes on beside the server. A verb of one subject stands in that subject's room.

A verb takes the installation and plain values, and returns a value that explains itself; it prints nothing.
"""
