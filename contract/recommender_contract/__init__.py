"""What the processes of the product agree on: pure rules, names, formats and limits.

Operator, training, transformer, collector, console and kubectl plugin import it; it imports none
of them. The standard library is enough for all modules.
"""
