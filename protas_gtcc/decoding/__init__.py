"""After the network: an online explicit-duration filter, which knows how long actions take and which follows which.

Both are counted within a task, which is inferred or given. `hypotheses.py` lists what may be going on at a frame, from
the durations and the order counted in `annotations/transcripts.py`. `duration_filter.py` updates the belief over these
hypotheses at each frame, by what `rule.py` makes of the network's probabilities. `decoder.py` turns the belief into a
`Prediction`. Without a filter, the network's likeliest class and its progress are reported. `alternatives.py` holds
other rules, to which the filter is compared.
"""
