import dataclasses

import numpy as np
import pytest
from factories_model import make_place_data, with_prior

from chamnet.data.normalization import Normalization, read_normalization
from chamnet.data.windows import build_window_means
from chamnet.errors import InputError, MissingDriverError
from chamnet.provenance import write_json


def test_normalized_drivers_have_no_mean_and_unit_spread():
    data = make_place_data()
    normalized = Normalization.fit(data).normalize_drivers(data.drivers, data.driver_names)
    np.testing.assert_allclose(np.nanmean(normalized, axis=(0, 1, 2)), 0, atol=1e-3)
    np.testing.assert_allclose(np.nanstd(normalized, axis=(0, 1, 2)), 1, atol=1e-3)


def test_drivers_in_another_order_are_put_in_order():
    data = make_place_data()
    normalization = Normalization.fit(data)
    swapped = normalization.normalize_drivers(data.drivers[..., ::-1], data.driver_names[::-1])
    straight = normalization.normalize_drivers(data.drivers, data.driver_names)
    np.testing.assert_array_equal(swapped, straight)


def test_unknown_names_are_refused():
    data = make_place_data()
    normalization = Normalization.fit(data)
    with pytest.raises(MissingDriverError, match=r"fitted on the drivers .* found \['tas'"):
        normalization.normalize_drivers(data.drivers, ("tas", *data.driver_names[1:]))
    with pytest.raises(MissingDriverError, match="fitted on the attributes"):
        normalization.normalize_attributes(data.attributes, ("clay",))


def test_a_driver_without_spread_is_refused():
    data = make_place_data()
    data.drivers[..., 1] = 3e-5
    with pytest.raises(InputError, match=r"without spread at the places: \['precipitation_flux'\]"):
        Normalization.fit(data)


def test_a_constant_attribute_is_dropped_and_named(caplog):
    data = make_place_data()
    data.attributes[:, 1] = 0.1
    with caplog.at_level("INFO"):
        normalization = Normalization.fit(data)
    assert "attributes without spread are dropped: ['hint']" in caplog.text
    elsewhere = np.array([[10.0, 99.0]])
    assert normalization.normalize_attributes(elsewhere, data.attribute_names)[0, 1] == 0


def test_an_unknown_attribute_is_read_as_the_mean():
    data = make_place_data()
    unknown = np.full((1, 2), np.nan)
    normalized = Normalization.fit(data).normalize_attributes(unknown, data.attribute_names)
    np.testing.assert_array_equal(normalized, 0)


def test_places_without_any_positive_mean_are_refused():
    data = make_place_data()
    negative = dataclasses.replace(data, windows=data.windows.assign(flux=-1e-10))
    with pytest.raises(InputError, match="no place has a mean measured flux above 0"):
        Normalization.fit(negative)


def test_a_file_gives_the_same_normalization(tmp_path):
    normalization = Normalization.fit(make_place_data())
    write_json(tmp_path / "normalization.json", normalization.to_dict())
    assert read_normalization(tmp_path / "normalization.json") == normalization


def test_no_attributes_are_no_trouble():
    data = make_place_data(n_attributes=0)
    normalization = Normalization.fit(data)
    assert normalization.normalize_attributes(data.attributes, ()).shape == (8, 0)


def test_a_prior_flux_has_a_scale_of_its_own():
    data = with_prior(make_place_data())
    plain, own = (Normalization.fit(d) for d in (dataclasses.replace(data, prior_flux=None), data))
    assert plain.response_scale == plain.flux_scale == own.flux_scale
    means = build_window_means(data.prior_flux, data)
    ratio = data.windows["flux"].mean() / means.mean()
    assert own.flux_scale / own.response_scale == pytest.approx(ratio)
    assert Normalization.from_dict(own.to_dict()) == own
    taken = plain.with_flux_scales_of(own)
    assert taken.response_scale == own.response_scale
    assert taken.driver_mean == plain.driver_mean
    tenfold = dataclasses.replace(data, prior_flux=10 * data.prior_flux)
    assert Normalization.fit(tenfold).response_scale == pytest.approx(10 * own.response_scale)


def test_a_prior_flux_of_nothing_is_refused():
    data = make_place_data()
    nothing = dataclasses.replace(data, prior_flux=np.zeros(data.drivers.shape[:3]))
    with pytest.raises(InputError, match=r"measured and prior .* and 0, expected both above"):
        Normalization.fit(nothing)
