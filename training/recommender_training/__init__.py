"""Training of recommenders: ingest, check, train, evaluate, export, publish.

Usable as a command (`recommender-training --help`) and as a library. It meets the operator and
the serving side only at the contracts in docs/contracts.md.
"""
