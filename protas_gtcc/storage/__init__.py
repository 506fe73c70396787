"""How bytes are kept: atomic writes, HDF5, ragged arrays, .npy, CSV and configurations as YAML."""
