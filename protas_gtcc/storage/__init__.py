"""How bytes are kept.

- `atomic`: a file is replaced when whole, or stays as it was
- `hdf5`: HDF5 with readable errors
- `ragged`: arrays of all videos, end to end, in HDF5
- `npy`: arrays in .npy files
- `finite`: no NaN and no infinity
"""
