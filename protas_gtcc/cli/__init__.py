"""The console script: one file a verb, each a typed parser and a few calls."""
