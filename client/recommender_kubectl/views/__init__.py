"""Output of the verbs that read: facts as a dataclass, for JSON, and their text."""
