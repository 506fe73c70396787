"""Procedures made up with known truth, of EgoProceL's size and shape: what stands in where no recordings are.

`profiles` holds what is imitated, `procedures` says who does what and when, `appearance` what a camera would
see of it. Nothing in them was recorded: results on them say how the software behaves, not how it does on
people.
"""
