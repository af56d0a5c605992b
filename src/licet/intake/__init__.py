"""Conversations come in: readers of transcripts and exports, all of which yield
`licet.intake.read_turn.Read`.
"""
