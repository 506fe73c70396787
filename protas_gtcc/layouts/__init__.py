"""Foreign dataset layouts: one reader for each, all giving the same `Layout`; `recognition.open_layout` chooses it."""
