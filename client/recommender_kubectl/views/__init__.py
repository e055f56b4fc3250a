"""What the verbs that read show: facts as a dataclass, for JSON, and their text."""
