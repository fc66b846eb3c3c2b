"""The loop does what a bare torch loop does, and records it."""

import math
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from recipe.creative_augmentation import Mixing
from recipe.training.experiment import Experiment
from recipe.training.loop import History, train
from recipe.training.split import Split


def bare_loop(
    model: nn.Module, split: Split, epochs: int, batch_size: int, seed: int, decay: float = 1.0
) -> list[float]:
    """What the loop must be equal to, step for step."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, decay)
    order = torch.Generator().manual_seed(seed)
    losses = []
    for _ in range(epochs):
        for index in torch.randperm(len(split), generator=order).split(batch_size):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(split.inputs[index]), split.targets[index])
            loss.backward()
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
    return losses


def test_the_loop_takes_the_same_steps_as_a_bare_one_to_the_last_bit(digits_cnn: Experiment) -> None:
    ours, bare = digits_cnn.new_model(1), digits_cnn.new_model(1)
    history = train(
        ours,
        digits_cnn.objective,
        torch.optim.SGD(ours.parameters(), lr=0.05),
        digits_cnn.train,
        epochs=2,
        batch_size=64,
        seed=3,
    )
    assert history.train_loss.tolist() == bare_loop(bare, digits_cnn.train, epochs=2, batch_size=64, seed=3)


def test_a_schedule_moves_the_rate_after_each_step(digits_cnn: Experiment) -> None:
    ours, bare = digits_cnn.new_model(1), digits_cnn.new_model(1)
    optimizer = torch.optim.SGD(ours.parameters(), lr=0.05)
    history = train(
        ours,
        digits_cnn.objective,
        optimizer,
        digits_cnn.train,
        epochs=2,
        batch_size=64,
        seed=3,
        scheduler=torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9),
    )
    expected = bare_loop(bare, digits_cnn.train, epochs=2, batch_size=64, seed=3, decay=0.9)
    assert history.train_loss.tolist() == expected
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), bare.parameters(), strict=True))


def test_training_with_keep_best_ends_with_the_weights_of_the_lowest_validation_loss(digits_cnn: Experiment) -> None:
    from recipe.training.evaluation import evaluate

    model = digits_cnn.new_model(0)
    history = train(
        model,
        digits_cnn.objective,
        torch.optim.SGD(model.parameters(), lr=1.0),  # too high a rate, so that the last epoch is not the best
        digits_cnn.train,
        epochs=5,
        batch_size=64,
        seed=0,
        validation=digits_cnn.validation,
        keep_best=True,
    )
    assert history.best_epoch == 1 + history.validation_loss.index(min(history.validation_loss))
    assert evaluate(model, digits_cnn.objective, digits_cnn.validation).loss == min(history.validation_loss)


def test_a_training_that_diverges_stops_after_its_epoch_and_says_so(diabetes_mlp: Experiment) -> None:
    model = diabetes_mlp.new_model(0)
    history = train(
        model,
        diabetes_mlp.objective,
        torch.optim.SGD(model.parameters(), lr=1e6),
        diabetes_mlp.train,
        epochs=50,
        batch_size=32,
        seed=0,
    )
    assert history.diverged
    assert history.epochs < 50


def test_the_loop_calls_the_users_optimizer_loss_and_backward_and_nothing_in_their_place(
    digits_cnn: Experiment,
) -> None:
    calls: list[str] = []

    class Recorded(torch.optim.SGD):
        def zero_grad(self, set_to_none: bool = True) -> None:
            calls.append("zero_grad")
            super().zero_grad(set_to_none)

        def step(self, closure: object = None) -> None:  # type: ignore[override]
            calls.append("step")
            super().step()

    class RecordedTensor(Tensor):
        def backward(self, *args: object, **kwargs: object) -> None:
            calls.append("backward")
            super().backward(*args, **kwargs)  # type: ignore[arg-type]

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        calls.append("loss")
        return functional.cross_entropy(outputs, targets).as_subclass(RecordedTensor)

    from dataclasses import replace

    model = digits_cnn.new_model(0)
    train(
        model,
        replace(digits_cnn.objective, loss=loss),
        Recorded(model.parameters(), lr=0.1),
        digits_cnn.train.head(64),
        epochs=2,
        batch_size=64,
        seed=0,
    )
    assert calls == ["zero_grad", "loss", "backward", "step"] * 2


def test_one_example_left_over_joins_the_batch_before_so_that_batch_norm_has_two(digits_cnn: Experiment) -> None:
    normed = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Linear(8, 10))
    optimizer = torch.optim.SGD(normed.parameters(), lr=0.01)
    history = train(normed, digits_cnn.objective, optimizer, digits_cnn.train.head(21), epochs=2, batch_size=10, seed=0)
    assert history.steps_per_epoch == 2 and history.epochs == 2
    assert history.train_loss.isfinite().all()


def test_an_epoch_without_a_finite_validation_loss_is_never_the_best(digits_cnn: Experiment) -> None:
    model = digits_cnn.new_model()
    held = {name: value.clone() for name, value in model.state_dict().items()}

    def spoil(epoch: int, history: History) -> bool:
        with torch.no_grad():
            for name, value in model.state_dict().items():
                value.copy_(held[name])
        return True

    class Poisons(torch.optim.SGD):
        steps = 0

        def step(self, closure: object = None) -> None:  # type: ignore[override]
            Poisons.steps += 1
            if Poisons.steps == 1:
                with torch.no_grad():
                    model.head.bias.fill_(float("nan"))  # type: ignore[operator, union-attr]

    history = train(
        model,
        digits_cnn.objective,
        Poisons(model.parameters(), lr=0.0),
        digits_cnn.train.head(8),
        epochs=3,
        batch_size=8,
        seed=0,
        validation=digits_cnn.validation,
        keep_best=True,
        on_epoch=spoil,
    )
    assert math.isnan(history.validation_loss[0])
    assert history.best_epoch == 2
    assert all(bool(value.isfinite().all()) for value in model.state_dict().values())


def test_the_loss_of_mixed_examples_is_that_of_both_targets_each_by_its_share(digits_cnn: Experiment) -> None:
    def half_and_half(inputs: Tensor) -> tuple[Tensor, Tensor, float]:
        return inputs * 0.75 + inputs.flip(0) * 0.25, torch.arange(len(inputs)).flip(0), 0.75

    split, objective = digits_cnn.train.head(32), digits_cnn.objective
    ours, bare = digits_cnn.new_model(1), digits_cnn.new_model(1)
    optimizer = torch.optim.SGD(ours.parameters(), lr=0.05)
    history = train(ours, objective, optimizer, split, epochs=1, batch_size=32, seed=3, mix=half_and_half)
    index = torch.randperm(32, generator=torch.Generator().manual_seed(3))
    inputs, targets = split.batch(index)
    outputs = bare(inputs * 0.75 + inputs.flip(0) * 0.25)
    due = 0.75 * functional.cross_entropy(outputs, targets) + 0.25 * functional.cross_entropy(outputs, targets.flip(0))
    assert history.train_loss.item() == due.item()


def test_any_loss_of_a_regression_is_mixed(diabetes_mlp: Experiment) -> None:
    doubled = replace(diabetes_mlp.objective, loss=lambda outputs, targets: 2 * functional.l1_loss(outputs, targets))
    model = diabetes_mlp.new_model(1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    mix = Mixing(mixup=0.2)
    history = train(model, doubled, optimizer, diabetes_mlp.train, epochs=3, batch_size=32, seed=3, mix=mix)
    assert history.epoch_loss()[-1] < history.epoch_loss()[0]
