"""Files of annotation tools, in and out: one module a format, one neutral type between them (`timed.py`).

formats.py     the table of formats; reading a file or a folder, writing either
settling.py    tiers and annotators are chosen, open events closed, overlaps resolved: once, for every format
"""
