"""Tasks: independent work spread over processes and Slurm jobs."""
