"""Entry point of `recommender-training` and `python -m recommender_training`."""

from __future__ import annotations

import sys

from recommender_training.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
