"""Readers of research data: SWE-agent's runs and tau-bench's dialogues, for benches and
measurements alone.

They are built like those of `licet.intake`, and `licet import` does not know them: nobody who runs
an assistant has such files, and whose words are in them is the benchmark's to say.
"""
