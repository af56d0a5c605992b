"""Recording beside a coding assistant: reads its transcripts, and keeps sessions out or lets them
in.
"""
