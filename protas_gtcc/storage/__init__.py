"""How bytes are kept: atomic writes, HDF5 with readable errors, ragged arrays, features in npy files."""
