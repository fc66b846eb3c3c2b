"""Estimates from examples that are not independent: a cluster, a group or a set of copies, counts as one draw."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from recipe.statistics.intervals import wilson


def by_cluster(values: Tensor, groups: Tensor | None) -> Tensor:
    """`values` (..., N) as one number a cluster, (..., G): the same mean, and a spread that tells how sure it is.

    A cluster's number is the mean plus what its examples together deviate from it, times G / N, so that the variance
    of the G numbers over G is the cluster-robust one of the mean (Liang and Zeger 1986, Biometrika 73:13). `groups`
    (N,) number the clusters in any way; None: each example is one, and the values are given back.
    """
    if groups is None:
        return values
    mean = values.mean(-1, keepdim=True)
    sums, sizes = cluster_sums(values - mean, groups)
    return mean + sums * (len(sizes) / len(groups))


def cluster_sums(values: Tensor, groups: Tensor | None) -> tuple[Tensor, Tensor]:
    """The sum of `values` (..., N) over each cluster, (..., G), and how many examples it has, (G,)."""
    if groups is None:
        return values, torch.ones(values.shape[-1], dtype=values.dtype)
    _, cluster, sizes = groups.unique(return_inverse=True, return_counts=True)
    sums = values.new_zeros(*values.shape[:-1], len(sizes)).index_add_(-1, cluster, values)
    return sums, sizes.to(values.dtype)


def effective_count(values: Tensor, groups: Tensor) -> float:
    """How many independent examples would tell the mean of `values` (N,) as surely as these N do; N at most.

    Korn and Graubard 1998, Survey Methodology 24:193: N over the design effect, and the t quantiles of N and of G
    for the clusters' own number. Where the values do not differ there is no design effect to see, and every cluster
    is taken to be of one piece (Kish 1965, section 8.2).
    """
    from scipy.special import stdtrit

    values, count = values.double(), len(values)
    sizes = groups.unique(return_counts=True)[1].double()
    spread = by_cluster(values, groups).var().item() / len(sizes) if len(sizes) > 1 else 0.0
    if spread <= 0:
        return count**2 / sizes.square().sum().item()
    design = spread / (values.var().item() / count)
    few = stdtrit(count - 1, 0.975) / stdtrit(len(sizes) - 1, 0.975)
    return min(count / design * float(few) ** 2, count)


def share_interval(right: Tensor, groups: Tensor | None = None) -> tuple[float, float]:
    """The 95 % interval of the share of `right` (N,): Wilson's, of the effective number of examples where clustered.

    Dean and Pagano 2015, Journal of Survey Statistics and Methodology 3:484, find that it holds its level.
    """
    if groups is None:
        return wilson(int(right.sum()), len(right))
    count = effective_count(right, groups)
    return wilson(right.double().mean().item() * count, count)


def share_of_classes_interval(scores: Tensor, classes: Tensor, groups: Tensor | None = None) -> tuple[float, float]:
    """The 95 % interval of a share that is a mean over the classes, such as balanced accuracy, F1 and AUC: Wilson's.

    It is of as many examples as would tell a plain share as surely as the `scores` (N,) tell theirs, at most those that
    tell a mean over `classes` (N,) of these sizes: where nothing is wrong the scores do not differ, and show nothing.
    """
    sizes = classes.unique(return_counts=True)[1].double()
    most = len(sizes) ** 2 / (1 / sizes).sum().item()
    if groups is not None:
        most *= effective_count(torch.zeros(len(classes)), groups) / len(classes)
    share = min(max(scores.double().mean().item(), 0.0), 1.0)
    each = by_cluster(scores.double(), groups)
    spread = each.var().item() / len(each) if len(each) > 1 else 0.0
    count = min(share * (1 - share) / spread, most) if spread > 0 else most
    return wilson(share * max(count, 1.0), max(count, 1.0))


def mean_interval(values: Tensor, groups: Tensor | None = None) -> tuple[float, float]:
    """The 95 % interval of the mean of `values` (n,), by Student's t; over clusters where `groups` (n,) name them."""
    from scipy.special import stdtrit  # a third of the import time of scipy.stats

    values = by_cluster(values, groups)
    half = float(stdtrit(len(values) - 1, 0.975)) * (values.double().std() / math.sqrt(len(values))).item()
    mean = values.double().mean().item()
    return mean - half, mean + half


def one_of_each(groups: Tensor | None, count: int, generator: torch.Generator) -> Tensor:
    """One example by chance of each cluster, as indices below `count`; every one, in order, where there are none."""
    if groups is None:
        return torch.arange(count)
    order = torch.randperm(count, generator=generator)
    cluster = groups.unique(return_inverse=True)[1]
    drawn = torch.empty(int(cluster.max()) + 1, dtype=torch.long)
    drawn[cluster[order]] = order
    return drawn


def resampled(count: int, groups: Tensor | None, rounds: int) -> Iterator[Tensor]:
    """The examples of each round of a bootstrap, indices below `count`; whole clusters where there are `groups`."""
    generator = torch.Generator().manual_seed(0)
    if groups is None:
        yield from (torch.randint(count, (count,), generator=generator) for _ in range(rounds))
        return
    cluster = groups.unique(return_inverse=True)[1]
    members = cluster.argsort(stable=True).split(cluster.bincount().tolist())
    for _ in range(rounds):
        yield torch.cat([members[one] for one in torch.randint(len(members), (len(members),), generator=generator)])


def bootstrap_r2_of_clusters(
    outputs: Tensor, targets: Tensor, groups: Tensor, rounds: int, seed: int = 0
) -> tuple[float, float]:
    """The 95 % percentile interval of R2, mean over the columns of (N, k), over resampled clusters.

    Davison and Hinkley 1997, section 3.8.
    """
    _, cluster = groups.unique(return_inverse=True)
    targets, residuals = targets.double() - targets.double().mean(0), (targets - outputs).double()
    parts = (torch.ones_like(targets), targets, targets.square(), residuals.square())
    count = int(cluster.max()) + 1
    sums = torch.stack([part.new_zeros(count, part.shape[1]).index_add_(0, cluster, part) for part in parts])
    generator = torch.Generator().manual_seed(seed)
    values = torch.empty(rounds, dtype=torch.double)
    for number in range(rounds):
        drawn = torch.randint(count, (count,), generator=generator).bincount(minlength=count).double()
        size, total, squares, left = drawn @ sums
        values[number] = (1 - left / (squares - total.square() / size).clamp_min(1e-12)).mean()
    low, high = values.quantile(torch.tensor([0.025, 0.975], dtype=torch.double)).tolist()
    return low, high
