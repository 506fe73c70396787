"""One HDF5 file a dataset.

- `description`: what a dataset holds, as plain values, and which names are allowed
- `header`: facts, feature sets and index in the file
- `writer`: making the file
- `file`: reading the file, video by video (`Dataset`)
- `opened`: the open file, and which file has a video's features
- `shards`, `shard_table`: files that a joined file reads features from, and its table of them
- `feature_sets`, `feature_shards`: adding a feature set to the file, or of a joined file to shards beside it
- `changing`: changing the file, on a copy
- `held_out`: drawing videos to hold out, whole people at a time
- `reader`: features as a run sees them: the dataset's own, or those of a control; their mean and deviation
"""
