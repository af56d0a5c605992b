"""The misuse classifier: training, card, and suggestions of conversations to staff."""
