"""Galleries: features that last, are searched by photograph, camera and time, and are erased for real.

A gallery takes features and knows no model: enrolling pictures is `strongreid.runs.enrol`.
"""

from strongreid.gallery.gallery import Gallery
from strongreid.gallery.grammar import parse_where
from strongreid.gallery.rows import Rows
from strongreid.gallery.store import Added, Found
from strongreid.gallery.summary import Erased, Stats
from strongreid.gallery.where import UNKNOWN, Where

__all__ = ["UNKNOWN", "Added", "Erased", "Found", "Gallery", "Rows", "Stats", "Where", "parse_where"]
