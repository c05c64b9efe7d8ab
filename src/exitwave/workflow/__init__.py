"""What Snakemake asks: the spec of each job and the place of each file."""
