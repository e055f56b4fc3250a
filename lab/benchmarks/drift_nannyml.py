"""NannyML's default univariate detection: an alert in any column is an alarm."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path

import nannyml
import pandas as pd


def main() -> None:
    tasks, categorical, sessions = pickle.loads(Path(sys.argv[1]).read_bytes())
    found = []
    for reference, windows in tasks:
        calculator = nannyml.UnivariateDriftCalculator(
            column_names=list(reference),
            treat_as_categorical=list(categorical),
            chunk_size=sessions,
        )
        calculator.fit(pd.DataFrame(reference))
        rows = pd.concat([pd.DataFrame(each) for each in windows], ignore_index=True)
        table = calculator.calculate(rows).filter(period="analysis").to_df()
        alerts = table.xs("alert", axis=1, level=2).any(axis=1).tolist()
        assert len(alerts) == len(windows)
        found.append([bool(alert) for alert in alerts])
    Path(sys.argv[2]).write_text(json.dumps({"nannyml": found}))


if __name__ == "__main__":
    main()
