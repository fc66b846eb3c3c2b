import numpy as np
import pytest

from recipe.inspection.kernel_ridge import Mapped, fit_ridge, gaussian_kernel, kernel_map


@pytest.fixture
def examples() -> Mapped:
    """Forty digits of two classes, the first three copies of each other."""
    from sklearn.datasets import load_digits

    bunch = load_digits(n_class=2)
    features = (bunch.data[:40] / 40).astype(np.float32)
    features[1:3] = features[0]
    targets = np.eye(2, dtype=np.float32)[bunch.target[:40]]
    clusters = np.arange(40)
    clusters[:3] = 0
    return Mapped(kernel_map(features, seed=0)(features), targets, clusters)


def test_what_is_said_of_an_example_left_out_is_what_a_fit_without_its_cluster_says(examples: Mapped) -> None:
    told = fit_ridge(examples, 0.3).left_out(examples)

    for row in (0, 2, 7, 39):
        others = examples.clusters != examples.clusters[row]
        without = fit_ridge(examples.at(others), 0.3)
        np.testing.assert_allclose(told[row], without.predicted(examples.vectors[[row]])[0], atol=2e-3)


def test_products_of_mapped_examples_are_their_kernel() -> None:
    features = np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32)

    mapped = kernel_map(features, seed=0)(features)

    np.testing.assert_allclose(mapped @ mapped.T, gaussian_kernel(features, features), atol=2e-2)
