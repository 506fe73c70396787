"""One HDF5 file a dataset: the file, its header, its writer, feature sets, and the reader that training uses."""
