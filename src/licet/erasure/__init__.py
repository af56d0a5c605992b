"""Erasure: what is due, the sweep, certificates of erasure, and key rotation."""
