import numpy as np
import pytest

from chamnet.training.restoration import fit_mean_factor


def make_clusters(*, n_clusters, factor, spread=0.0, seed=0):
    random = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(n_clusters), 20)
    predicted = random.uniform(1, 2, cluster.size)
    own = np.exp(spread * random.normal(size=n_clusters))[cluster]
    return factor * own * predicted, predicted, cluster


def test_many_clusters_that_agree_give_the_ratio_of_means():
    factor = fit_mean_factor(*make_clusters(n_clusters=40, factor=1.4))
    assert factor == pytest.approx(1.4, rel=0.01)


def test_few_clusters_that_disagree_are_shrunk_to_one():
    observed, predicted, cluster = make_clusters(n_clusters=3, factor=2.0, spread=1.0)
    assert 1.0 < fit_mean_factor(observed, predicted, cluster) < 1.6


def test_one_cluster_says_almost_nothing():
    factor = fit_mean_factor(*make_clusters(n_clusters=1, factor=3.0))
    assert factor == pytest.approx(3 ** (0.0625 / 1.0625))


@pytest.mark.parametrize("observed", [np.nan, -1.0])
def test_without_anything_to_go_by_the_factor_is_one(observed):
    assert fit_mean_factor(np.full(9, observed), np.ones(9), np.arange(9) // 3) == 1.0


def test_a_long_record_counts_as_a_short_one():
    observed, predicted, cluster = make_clusters(n_clusters=40, factor=1.4)
    longer = [np.concatenate([v, np.repeat(v[:1], 5000)]) for v in (observed, predicted, cluster)]
    longer[0][-5000:] *= 0.9
    assert fit_mean_factor(*longer) == pytest.approx(1.4, rel=0.02)
