"""Where jobs run: local processes, Slurm, Ray. Each file adapts the work list to what exists there."""
