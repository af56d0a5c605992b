"""The key chain: the providers of its root, what wraps what, and the fence and journal that keep an
old database from being used.
"""
