"""How deliveries are examined and taken in; conf/watch.yaml says what each value does."""

from pydantic import Field

from recipe.settings.strict import Strict


class Watch(Strict):
    """`watch`: what counts as a whole delivery, and what is taken of it."""

    quiet_seconds: float = Field(default=60.0, ge=0)
    max_bad_share: float = Field(default=0.5, ge=0, le=1)
    max_mb: float = Field(default=20_000.0, gt=0)
    git: bool = False
