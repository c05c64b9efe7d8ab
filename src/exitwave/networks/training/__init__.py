"""How networks are trained: epochs read ahead, turned samples, optimizers, checkpoints, curves."""
