"""Entry point of `recommender-examples` and `python -m recommender_examples`."""

from __future__ import annotations

import sys

from recommender_examples.command_line import main

if __name__ == "__main__":
    sys.exit(main())
