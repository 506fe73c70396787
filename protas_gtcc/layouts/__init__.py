"""Foreign dataset layouts: one reader each, all giving the same `Layout`.

`recognise(path)` says which layout a folder or file has; `open_layout` opens it.
"""
