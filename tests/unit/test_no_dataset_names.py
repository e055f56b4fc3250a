"""The product knows no data set: its code names no column of MovieLens."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ["contract", "operator", "serving", "training"]
COLUMNS = re.compile(
    r"(?<![A-Za-z0-9_])(?:raw_)?"
    r"(age|gender|occupation|genres?|release_year|zip_code|movie_title|ratings?)"
    r"(?![A-Za-z0-9_])"
    r"|Bad(Age|Gender|Occupation|Genres?|ReleaseYear|ZipCode|MovieTitle|Ratings?)(?![a-z])"
)
#: Words that mean something else in a package or a file.
OTHERS = {
    "operator/": {"age": "of a cache, a lease or a pod, in seconds"},
    "operator/recommender_operator/api/spec_mapping.py": {"rating": "an example of a value"},
    "training/recommender_training/ingestion/guess_roles.py": {
        "rating": "a usual name of a value"
    },
    "training/recommender_training/ingestion/mapping_argument.py": {"rating": "an example"},
}
#: Files that may name the columns, and why.
ALLOWED = {
    "training/recommender_training/samples/": "generates and fetches the data set",
    "operator/recommender_operator/phases/conditions/served_features.py": "has the features of "
    "the sample format, which declares none",
}


def named(source: str) -> Iterator[tuple[int, str]]:
    """Line and name of each column that an identifier or a string of the source names.

    Docstrings and comments may, as examples.
    """
    if not COLUMNS.search(source):  # no part of it has one either
        return
    docs = set(_docstrings(ast.parse(source)))
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in (tokenize.NAME, tokenize.STRING) or token.start in docs:
            continue
        for match in COLUMNS.finditer(token.string):
            yield token.start[0], match[1] or match[2]


def _docstrings(tree: ast.Module) -> Iterator[tuple[int, int]]:
    """Line and column where each docstring begins."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value.lineno, node.value.col_offset


@pytest.mark.parametrize("package", PACKAGES)
def test_no_code_names_a_column_of_movielens(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    found = [
        f"{path}:{line}: {name}"
        for file in files
        for path in [file.relative_to(ROOT).as_posix()]
        if not path.startswith(tuple(ALLOWED))
        for line, name in named(file.read_text())
        if not any(path.startswith(of) and name in words for of, words in OTHERS.items())
    ]
    assert not found, "declare features in the data's own declaration:\n" + "\n".join(found)


@pytest.mark.parametrize("path", ALLOWED)
def test_every_exception_is_still_one(path: str) -> None:
    place = ROOT / path
    files = sorted(place.rglob("*.py")) if place.is_dir() else [place]
    assert any(list(named(file.read_text())) for file in files)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("age = 3", ["age"]),
        ("row['release_year'], row.genres", ["release_year", "genres"]),
        ("pl.col('raw_rating'), raw_age, 'BadRating'", ["rating", "age", "Rating"]),
        ("generating, BadRatings2, draw_rating, 'Badage'", ["Ratings"]),
        ('"""The age and the genre."""\nmessage = "image_age, ages, average, NoPage"  # age', []),
        ('def f() -> None:\n    """Of age."""\n    return f(user="age:18-24")', ["age"]),
    ],
)
def test_names_count_in_code_and_not_inside_longer_words_or_docstrings(
    source: str, names: list[str]
) -> None:
    assert [name for _, name in named(source)] == names
