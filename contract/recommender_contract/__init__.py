"""Rules, names, formats and limits that the processes of the product agree on: pure.

Operator, training, transformer, collector, console and kubectl plugin import it; it imports none
of them. The standard library is enough for all modules but those of `resource`.
"""
