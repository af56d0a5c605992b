"""The demonstration: the real code on a simulated clock, in a folder that the other commands work on.

stage   the folder and its clock
text    what people say
town    two thousand accounts from August to December 2025
files   the same job on a person's own files
serve   the town's pages, with links to sign in as somebody
"""
