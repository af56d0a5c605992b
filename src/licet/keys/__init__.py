"""The chain of keys: who provides the root, what wraps what, and what keeps an old database from coming back."""
