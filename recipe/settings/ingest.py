"""How the ingest stage measures, and the limits of its gate; conf/stages/ingest.yaml has the sources."""

from recipe.settings.strict import Strict


class IngestStage(Strict):
    """`stages.ingest`: how each practice measures."""


class IngestThresholds(Strict):
    """`thresholds.ingest`: what the gate holds each practice to."""
