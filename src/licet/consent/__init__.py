"""Consent: notices, what was shown and answered, and what a person sees of it."""
