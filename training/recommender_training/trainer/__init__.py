"""How models are fitted: the loop, batches, checkpoints, device, and each fit."""
