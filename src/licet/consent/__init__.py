"""Who said what: notices as content, what was shown, what was answered, and what a person sees of
it.
"""
