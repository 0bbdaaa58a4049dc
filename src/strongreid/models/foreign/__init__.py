"""Checkpoints of other codebases: one file a codebase says how its names become ours (see `layout`).

`keys` reads names and shapes, `recognise` finds the codebase, `networks` builds what is in no library.
"""
