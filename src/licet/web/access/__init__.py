"""Who calls: tokens, keys, sessions, roles, and how much of each."""
