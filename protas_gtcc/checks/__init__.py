"""Everything that is wrong with a dataset, in one list.

path             `check_path`: all checks of a dataset file, or of a folder before it is prepared
findings         one thing that is wrong or worth knowing, and how findings are shown
sources          what is checked, seen alike: a dataset file; in `layout_source`, a foreign layout
labels           checks of labels
features         checks of features
splits           checks of splits and people
"""
