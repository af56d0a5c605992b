"""The demonstration: the real code on a simulated clock, in a folder that the other commands can
use.
"""
