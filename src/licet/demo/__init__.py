"""The demonstration: the real code on a simulated clock, in a folder that other commands can
use.
"""
