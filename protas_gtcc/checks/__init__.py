"""Everything that is wrong with a dataset, in one list (`path.check_path`)."""
