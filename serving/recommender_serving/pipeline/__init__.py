"""The way of a request: its context, the stages that it passes, and its answer."""
