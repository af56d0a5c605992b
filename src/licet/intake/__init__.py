"""Import: readers of transcripts and exports, which yield `licet.intake.read_turn.Read`, and their
storage.
"""
