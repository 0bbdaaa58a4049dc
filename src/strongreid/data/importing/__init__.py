"""From what users have (a tracker's output, an annotation tool's file, named crops) to a table of images.

Each source has its reader, `mot`, `coco` and `names`, which gives sightings and, beside them, what is wrong; `choices`
tells which reads what. `written` writes the table that `own_table` reads.
"""
