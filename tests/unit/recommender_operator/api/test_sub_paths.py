import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.api import sub_paths


@pytest.mark.parametrize("path", ["data", "ml-100k", "raw/films_1/v2.0", "_a", "a" * 512])
def test_a_folder_inside_a_claim_is_accepted(path: str) -> None:
    assert sub_paths.is_sub_path(path)
    assert sub_paths.outside_of_store(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "", "/", "/etc", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b", "a/./b", ".hidden",
        "a/.hidden", "-a", "a/-b", "a\\b", "a\0b", "a\nb", "a\n", "a b", "a%2fb", "~", "\u00fc",
        "a" * 513,
    ],
)  # fmt: skip
def test_any_other_path_is_refused_with_the_form(path: str) -> None:
    assert not sub_paths.is_sub_path(path)
    with pytest.raises(ValueError, match=r"Claim\.path '.*' must be a path such as"):
        sub_paths.outside_of_store(path)


@pytest.mark.parametrize("path", ["lake", "lake/films", "artifacts/films/0123", "staging/x"])
def test_raw_data_must_not_be_in_a_folder_of_the_operator(path: str) -> None:
    with pytest.raises(ValueError, match="another folder or another claim"):
        sub_paths.outside_of_store(path)


@pytest.mark.parametrize("path", ["lakes", "lakes/films", "raw/lake"])
def test_a_folder_with_the_prefix_of_one_is_accepted(path: str) -> None:
    assert sub_paths.outside_of_store(path) == path


def test_a_path_of_the_operator_must_be_in_its_folder() -> None:
    assert sub_paths.below("staging/films/a-0", "staging/films") == "staging/films/a-0"
    assert sub_paths.one_of("lake/films", ("staging/films", "lake/films")) == "lake/films"
    for path in (
        "staging/news/a-0",
        "staging/filmsx",
        "staging",
        "/staging/films/a",
        "staging/films/../news",
        "staging/films//a",
        "staging/films/",
        "staging/films/a\0",
        "",
    ):
        with pytest.raises(ValueError, match="is not in staging/films"):
            sub_paths.below(path, "staging/films")


@given(st.text())
def test_no_accepted_path_leaves_its_folder(path: str) -> None:
    for candidate in (path, f"lake/films/{path}"):
        try:
            sub_paths.below(candidate, "lake/films")
        except ValueError:
            continue
        assert ".." not in candidate.split("/")
        assert candidate.startswith("lake/films")


@pytest.mark.parametrize("name", ["a", "raw-data", "raw.v1", "1"])
def test_a_valid_name_of_a_claim_is_accepted(name: str) -> None:
    assert sub_paths.is_claim_name(name)


@pytest.mark.parametrize(
    "name", ["", "..", "../secrets", "a/b", "a..b", "A", "a?x", "a#x", "a%2f", "a\n", "-a"]
)
def test_an_invalid_name_of_a_claim_is_refused(name: str) -> None:
    assert not sub_paths.is_claim_name(name)
