"""The key chain: providers, wrapping, and the fence and journal that prevent the use of an outdated
database.
"""
