"""Work lists: independent jobs, each a command with one output, on local processes, Slurm or Ray."""
