"""Simulated procedures with known truth, of EgoProceL's size: they stand in where no recordings are prepared.

- `profiles`: the facts about EgoProceL that are imitated
- `config`: the settings of a simulated dataset
- `procedures`: what is done when, and for how long: the labels
- `appearance`: what a camera would see of it: the features
- `dataset`: the dataset file made from these

Nothing in them was recorded. Results on them show how the software behaves, not how well it follows people.
"""
