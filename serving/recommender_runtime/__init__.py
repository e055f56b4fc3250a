"""How a process of the serving image runs: it listens, logs, waits, reads keys, reaches Redis."""
