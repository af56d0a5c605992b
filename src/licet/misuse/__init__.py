"""The classifier of misuse: training it, its card, what it suggests to staff."""
