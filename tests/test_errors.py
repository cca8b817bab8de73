import pytest

from chamnet.errors import GridError, InputError, noting


def test_what_is_raised_on_purpose_is_noted_once_each():
    problems = []
    for _ in range(2):
        with noting(problems):
            raise InputError("a.csv: no column b")
        with noting(problems):
            raise GridError("no cell near")
    assert problems == ["a.csv: no column b", "no cell near"]


def test_without_a_list_it_is_raised():
    with pytest.raises(InputError, match=r"a.csv: no column b"), noting(None):
        raise InputError("a.csv: no column b")


def test_other_errors_are_noted_where_they_are_named():
    problems = []
    with noting(problems, also=(OSError,)):
        raise FileNotFoundError("a.csv")
    assert problems == ["a.csv"]
    with pytest.raises(FileNotFoundError), noting(problems):
        raise FileNotFoundError("a.csv")
