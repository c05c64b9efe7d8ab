"""The stages: one module a command and a rule, which puts the rooms together."""
