"""What happens to runs: queue, attempts, commands, checkpoints, archive, forks."""
