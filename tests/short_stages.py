"""Settings by which the stages try little of what they could: what is tested is the pipeline, not the nets."""

SHORT_STAGES = (
    "stages.baseline.boosting.steps=150",
    "stages.regularize.more_data.rounds=100",
    "stages.regularize.augment.shown=1",
    "stages.regularize.augment.strengths=[1.0]",
    "stages.regularize.creative_augment={mixup: 0, cutmix: 0, erasing: 0, randomisation: 0, grounds: 0}",
    "stages.regularize.first_layer={shown: 1, draws: 20}",
    "stages.tune.architecture={rates: [1.0], replaced: []}",
    "stages.tune.random_over_grid.side=2",
    "stages.tune.optimizer={adam: [0.001], sgd: [0.1], replaced: []}",
    "stages.tune.schedule.peaks=[1.0]",
    "stages.tune.importance.rounds=2",
)
