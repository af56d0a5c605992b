"""The papers that the law asks a controller and a trainer for, made from the log, the manifests and
the operator's answers.
"""
