"""Events, declarations and what follows from them: pure."""
