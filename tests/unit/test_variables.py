"""Variables of the environment that workflows read."""

import pytest

import cloaca


@pytest.mark.parametrize("value", ["reports", "", " padded ", "a=b", "é"])
def test_a_variable_is_read_verbatim(monkeypatch, value):
    monkeypatch.setenv("CLOACINA_VAR_bucket", value)
    assert cloaca.var("bucket") == cloaca.var_or("bucket", "other") == value


def test_a_variable_is_read_when_it_is_asked_for(monkeypatch):
    monkeypatch.setenv("CLOACINA_VAR_BUCKET", "one")
    assert cloaca.var("BUCKET") == "one"
    monkeypatch.setenv("CLOACINA_VAR_BUCKET", "two")
    assert cloaca.var("BUCKET") == "two"


@pytest.mark.parametrize(
    "caught", [KeyError, ValueError, cloaca.ConfigurationError, cloaca.VariableNotSetError]
)
def test_one_that_is_not_set_is_named_in_full(monkeypatch, caught):
    monkeypatch.delenv("CLOACINA_VAR_BUCKET", raising=False)
    with pytest.raises(caught) as missing:
        cloaca.var("BUCKET")
    assert str(missing.value) == (
        "CLOACINA_VAR_BUCKET is not set: set it in the environment of this process, or use var_or('BUCKET', default)"
    )
    assert cloaca.var_or("BUCKET", "other") == "other"


@pytest.mark.parametrize("name", ["", "a=b", "a\0b", None, 3])
def test_what_cannot_name_a_variable_is_refused(name):
    for read in (cloaca.var, lambda name: cloaca.var_or(name, "x")):
        with pytest.raises(cloaca.VariableNotSetError, match="cannot name a variable"):
            read(name)
