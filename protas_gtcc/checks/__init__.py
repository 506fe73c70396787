"""Everything that is wrong with a dataset, in one list.

- `findings`: one thing that is wrong or worth knowing, and how findings are shown
- `sources`: what is checked: a dataset file, or a foreign layout
- `labels`: checks of labels
- `features`: checks of features
- `splits`: checks of splits, people and feature sets
- `path`: all checks of a dataset file, or of a folder before it is prepared (`check_path`)
"""
