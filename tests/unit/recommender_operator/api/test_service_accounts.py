import pytest

from recommender_operator.api import service_accounts

FIELD = "training.podTemplate.spec.serviceAccountName"
RULES = service_accounts.policy({"shop": ["trainer", "a.b"], "news": [f"n{i}" for i in range(9)]})


@pytest.mark.parametrize("name", [None, "default", "trainer", "a.b"])
def test_a_listed_account_and_the_default_one_are_allowed(name: str | None) -> None:
    assert service_accounts.refusal(FIELD, name, "shop", RULES) == ""


def test_an_account_is_allowed_in_its_own_namespace_alone() -> None:
    for namespace in ("news", "shop2", ""):
        assert service_accounts.refusal(FIELD, "trainer", namespace, RULES)


def test_a_refusal_has_field_value_accounts_and_remedy() -> None:
    shown = service_accounts.refusal(FIELD, "admin", "shop", RULES)
    for part in (FIELD, "'admin'", "trainer, a.b", "scheduling.serviceAccounts", "shop"):
        assert part in shown
    assert "and 4 more" in service_accounts.refusal(FIELD, "admin", "news", RULES)
    assert "(none)" in service_accounts.refusal(FIELD, "admin", "other", ())


@pytest.mark.parametrize(
    "listed", [{"Shop": ["a"]}, {"shop": ["A"]}, {"*": ["a"]}, {"shop": [""]}]
)
def test_anything_but_names_is_refused(listed: dict[str, list[str]]) -> None:
    with pytest.raises(ValueError, match="is not a Kubernetes name"):
        service_accounts.policy(listed)
