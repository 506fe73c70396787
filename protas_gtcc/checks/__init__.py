"""Everything that is wrong with a dataset, in one list.

- `findings`: one thing that is wrong or worth knowing, and how findings are shown
- `sources`: a dataset file as a source of labels and features to check
- `layout_source`: a foreign layout as such a source
- `labels`: checks of labels
- `features`: checks of features
- `splits`: checks of splits, people and feature sets
- `path`: all checks of a dataset file, or of a folder before it is prepared (`check_path`)
"""
