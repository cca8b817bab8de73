import numpy as np
import pytest
import yaml

from chamnet.errors import InputError
from chamnet.simulation.classes import build_class_weights, name_biomes
from chamnet.simulation.parameters import PARAMETERS_FILE, perturb_parameters, read_parameters


def _write_changed(folder, change):
    content = yaml.safe_load(PARAMETERS_FILE.read_text())
    change(content)
    path = folder / "parameters.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def test_mixture_of_one_class_is_that_class():
    parameters = read_parameters()
    mixed = parameters.mix(parameters.weights_of(["bog", "swamp"]))
    assert mixed["rooting_depth"][1] == 0.25
    half = parameters.mix(np.full((1, 5), 0.2))
    assert half["vmax"][0] == pytest.approx(parameters.by_class["vmax"].mean())


def test_weights_that_do_not_sum_are_refused():
    parameters = read_parameters()
    with pytest.raises(InputError, match=r"weights of cell 1 sum to 0\.8, expected 1"):
        parameters.mix(np.array([[1, 0, 0, 0, 0], [0.8, 0, 0, 0, 0]]))
    with pytest.raises(InputError, match=r"shape \(1, 2\), expected \(cell, 5\)"):
        parameters.mix(np.ones((1, 2)))
    with pytest.raises(InputError, match=r"unknown wetland classes \['lake'\]"):
        parameters.weights_of(["lake"])


def test_a_value_without_source_is_refused(tmp_path):
    path = _write_changed(tmp_path, lambda c: c["emission"]["classes"]["bog"]["km"].pop("source"))
    with pytest.raises(InputError, match="emission: classes: bog: km has no source"):
        read_parameters(path)


def test_a_class_that_lacks_a_parameter_is_refused(tmp_path):
    path = _write_changed(tmp_path, lambda c: c["emission"]["classes"]["fen"].pop("vmax"))
    with pytest.raises(InputError, match="no 'vmax' where every class or part has it"):
        read_parameters(path)


def test_perturbed_parameters_differ_in_rates_alone_and_repeat():
    parameters = read_parameters()
    first, again = (perturb_parameters(parameters, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.by_class["vmax"], again.by_class["vmax"])
    assert not np.allclose(
        first.by_class["production_rate"], parameters.by_class["production_rate"]
    )
    np.testing.assert_array_equal(
        first.by_class["rooting_depth"], parameters.by_class["rooting_depth"]
    )


def test_climate_decides_the_wetland_class():
    parameters = read_parameters()
    weights = build_class_weights(
        parameters,
        coldest=np.array([-30.0, -15, -15, 2, 25, 25]),
        warmest=np.array([5.0, 16, 16, 20, 28, 28]),
        forest=np.array([0.0, 0.3, 0.3, 0.0, 0.0, 1.0]),
        phh2o=np.array([6.0, 4.2, 7.0, 6, 6, 6]),
    )
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    largest = [parameters.classes[i] for i in weights.argmax(axis=1)]
    assert largest == ["wet_tundra", "bog", "fen", "marsh", "marsh", "swamp"]


def test_biomes_have_their_names():
    found = name_biomes(
        coldest=np.array([-20.0, 20, 20, -20, 0]),
        warmest=np.array([5.0, 25, 25, 15, 20]),
        forest=np.array([0.0, 0.9, 0.1, 0.9, 0.0]),
        crop=np.zeros(5),
        dry=np.array([False, False, False, False, True]),
    )
    assert found.tolist() == ["tundra", "tropical forest", "savanna", "boreal forest", "desert"]
