"""Training: the loop, its schedule, its optimisers, its checkpoints and its log."""
