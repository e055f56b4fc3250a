"""What each command does, and how its outcome becomes a report and an exit code."""
