"""What may be learnt: de-identify, deduplicate, label, split, build a release."""
