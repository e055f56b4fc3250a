"""The durable log of events."""
