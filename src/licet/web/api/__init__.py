"""The API under /v1: one module per subject."""
