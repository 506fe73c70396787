"""From a foreign layout to one dataset file.

- `survey`: the first pass: read all labels and headers, and decide how to read each feature set
- `writing`: the second pass: write the videos one by one
- `labels`: progress, segments and the task graph without features
- `hold_out`: a dataset file whose splits hold out training videos of another's
- `known_datasets`: datasets known by name, and the simulated procedures that stand in for them
"""
