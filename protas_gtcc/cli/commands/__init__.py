"""One module a verb: a typed parser, and a few calls."""
