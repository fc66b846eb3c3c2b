"""What a training costs, in multiplications and additions of its net: counted, so that it is the same everywhere."""

from __future__ import annotations

import torch

from recipe.training.experiment import Experiment, Training


def counted_flops(experiment: Experiment, training: Training) -> float:
    """The same; 0 where torch's counter does not go through somebody's own layers."""
    try:
        return flops_per_example(experiment, training)
    except Exception:  # whatever they raise under it: that the net itself can be trained is known
        return 0.0


def flops_per_example(experiment: Experiment, training: Training) -> float:
    """The floating-point operations of one step, forwards and backwards, for each example of its batch.

    Counted by torch for products of matrices and convolutions, which rule the time of all but the smallest nets. 0
    where it knows none of the net's layers.

    Raises:
        TargetError: the model cannot be built.
    """
    from torch.utils.flop_counter import FlopCounterMode

    model = experiment.new_model(training=training)
    few = experiment.train.head(max(2, training.batch_size)).to(experiment.device.torch)
    inputs, targets = few.batch(torch.arange(len(few), device=few.device))
    with FlopCounterMode(display=False) as counter:
        experiment.objective(model(inputs), targets).backward()
    return counter.get_total_flops() / len(few)
