"""Networks: one file for each architecture that the configuration may name."""
