"""Training: one loop, two tasks (pre-training and fine-tuning), resumable at every step."""
