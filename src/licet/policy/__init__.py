"""What is permitted: the policy file, the state that events lead to, and the one rule that decides.

Pure: no clock, no database, no randomness. Nothing outside this package may decide whether content
may be used or how long it is kept.
"""
