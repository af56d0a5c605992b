"""Authentication and limits: tokens, keys, sessions, and the rate of each caller."""
