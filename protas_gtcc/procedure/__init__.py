"""The procedure that the actions belong to: what is done, what is next, what is missing, how long it still takes.

`tables.py` holds what training recordings show of a task: the order of its steps and their lengths. `evidence.py` turns
that into the features of two models, of the next step and of the steps that are still to come, which `learning.py`
fits. `tracker.py` follows a recording: at each frame it updates what is done from the duration filter's belief.
`alarms.py` chooses how improbable something must be before it is reported as a mistake. `drawn_graph.py` makes a prior
of drawn task graphs, and `learnt_graph.py` learns such graphs.
"""
