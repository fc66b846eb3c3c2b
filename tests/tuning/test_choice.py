"""What the best of several is worth is measured where it was not chosen."""

import torch

from recipe.tuning.choice import where_not_chosen


def test_the_best_of_many_that_are_alike_gains_nothing_where_it_was_not_chosen() -> None:
    draw = torch.Generator().manual_seed(0)
    seen, honest = [], []
    for _ in range(200):
        losses = 1 + torch.randn(20, 3, 100, generator=draw, dtype=torch.double)
        seen.append(1 - losses.mean((1, 2)).min().item())
        honest.append(1 - where_not_chosen(losses).mean().item())

    assert torch.tensor(seen).mean() > 0.08
    assert torch.tensor(honest).mean().abs() < 3 * torch.tensor(honest).std() / 200**0.5


def test_one_that_is_clearly_best_is_chosen_everywhere_and_one_that_diverged_nowhere() -> None:
    losses = 1 + 0.1 * torch.randn(3, 2, 50, generator=torch.Generator().manual_seed(0), dtype=torch.double)
    losses[1] -= 0.5
    losses[2, 0, 0] = torch.nan

    assert torch.equal(where_not_chosen(losses), losses[1])
