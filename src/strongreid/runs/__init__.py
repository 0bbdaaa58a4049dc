"""Runs and sets of runs: one training from its configuration, and the demo."""
