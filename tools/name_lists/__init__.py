"""Makes the lists of given and family names that `licet.curate.names` reads: `python -m
tools.name_lists`.
"""
