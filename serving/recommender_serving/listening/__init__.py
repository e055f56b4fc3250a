"""How a process listens over HTTP, within bounds; transformer and collector share it."""
