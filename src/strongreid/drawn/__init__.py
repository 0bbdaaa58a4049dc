"""Drawn people: a data set made by a program, in Market-1501's layout, for the demo, the tests and the docs."""

from strongreid.drawn.generate import draw_people, occluded_queries

__all__ = ["draw_people", "occluded_queries"]
