"""evidently's default tests of each column, and its default verdict: half of the columns drift.

Its report calls the same functions for each column; building it takes a second a window.
"""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path

import pandas as pd
from evidently.legacy.calculations.stattests import get_stattest
from evidently.legacy.core import ColumnType


def drifts(reference: pd.Series, current: pd.Series, kind: ColumnType) -> bool:
    test = get_stattest(reference, current, kind, None)
    return bool(test(reference, current, kind, None).drifted)


def main() -> None:
    tasks, categorical, _ = pickle.loads(Path(sys.argv[1]).read_bytes())
    half, some = [], []
    for reference, windows in tasks:
        counts = [
            sum(
                drifts(
                    pd.Series(reference[name]).dropna(),
                    pd.Series(rows[name]).dropna(),
                    ColumnType.Categorical if name in categorical else ColumnType.Numerical,
                )
                for name in reference
            )
            for rows in windows
        ]
        half.append([count >= len(reference) / 2 for count in counts])
        some.append([count > 0 for count in counts])
    Path(sys.argv[2]).write_text(json.dumps({"evidently": half, "evidently_any_column": some}))


if __name__ == "__main__":
    main()
