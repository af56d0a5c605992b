"""The misuse classifier: its training, its card, and the conversations that it suggests to
staff.
"""
