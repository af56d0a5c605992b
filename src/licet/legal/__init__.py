"""Legal documents for controllers and trainers, from the log, the manifests and the operator's
answers.
"""
