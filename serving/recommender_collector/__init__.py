"""The collector of events: a durable log, and the writers behind it."""
