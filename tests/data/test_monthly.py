import numpy as np
import pytest

from chamnet.data.monthly import interpolate_months
from chamnet.timeaxis import month_lengths, month_of_step

YEAR = month_lengths(2001)


@pytest.mark.parametrize("is_positive", [False, True])
@pytest.mark.parametrize("is_periodic", [False, True])
def test_days_keep_the_mean_of_every_month(is_positive, is_periodic):
    months = np.random.default_rng(0).gamma(0.3, size=(20, 12))
    days = interpolate_months(
        months, lengths=YEAR, is_periodic=is_periodic, is_positive=is_positive
    )
    means = [days[:, month_of_step(2001) == m].mean(axis=1) for m in range(12)]
    np.testing.assert_allclose(np.stack(means, axis=1), months, rtol=1e-9, atol=1e-12)
    assert not is_positive or days.min() >= 0


@pytest.mark.parametrize("is_periodic", [False, True])
def test_constant_months_are_constant_days(is_periodic):
    days = interpolate_months(np.full(12, 7.0), lengths=YEAR, is_periodic=is_periodic)
    np.testing.assert_allclose(days, 7.0)


def test_months_farther_than_the_margin_hardly_matter():
    months = np.random.default_rng(0).normal(280, 10, 36)
    lengths = np.tile(YEAR, 3)
    whole = interpolate_months(months, lengths=lengths)[365:730]
    near = interpolate_months(months[9:27], lengths=lengths[9:27])
    first = int(lengths[9:12].sum())
    assert np.abs(near[first : first + 365] - whole).max() < 0.2


@pytest.mark.parametrize("is_periodic", [False, True])
def test_days_of_shares_are_shares_and_keep_the_mean_of_every_month(is_periodic):
    months = np.random.default_rng(0).beta(0.2, 0.2, size=(50, 12))
    months[0] = [1, 1, 1, 0.6, 0, 0, 0, 0, 0.3, 1, 1, 1]
    options = {"lengths": YEAR, "is_periodic": is_periodic, "is_positive": True}
    days = interpolate_months(months, **options, highest=1.0)
    means = [days[:, month_of_step(2001) == m].mean(axis=1) for m in range(12)]
    np.testing.assert_allclose(np.stack(means, axis=1), months, rtol=1e-9, atol=1e-12)
    assert days.min() >= 0
    assert 1 - 1e-12 < days.max() <= 1


def test_a_bound_changes_only_months_beyond_it():
    months = np.array([0.1, 0.2, 0.3, 0.5, 0.5, 0.4, 1.0, 0.4, 0.3, 0.3, 0.2, 1.2])
    days, free = (
        interpolate_months(months, lengths=YEAR, is_positive=True, highest=highest)
        for highest in (1.0, None)
    )
    month = month_of_step(2001)
    np.testing.assert_array_equal(days[month < 6], free[month < 6])
    assert days[month == 6].max() <= 1 < free[month == 6].max()
    np.testing.assert_allclose(days[month == 11], 1.2)  # what is wrong stays wrong, to be refused
