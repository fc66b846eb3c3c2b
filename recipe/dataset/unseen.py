"""Which examples a model has seen in training or been chosen by: kept with it, so that it is never judged by them."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SEEN = "seen.npy"
HEX_DIGITS = 16  # of a content id: 64 bits, of which no two in millions of examples agree by chance


def write_seen(workspace: Path, folder: Path) -> Path:
    """Write the contents of the training and validation examples to `folder`, uint64 (N,) sorted; gives the file."""
    import numpy as np
    import pandas as pd

    from recipe.dataset.splits import TEST
    from recipe.dataset.stored import MANIFEST, PREPARED

    manifest = pd.read_parquet(workspace / PREPARED / MANIFEST, columns=["content_id", "split"])
    path = folder / SEEN
    np.save(path, np.unique(content_codes(manifest["content_id"][manifest["split"] != TEST])), allow_pickle=False)
    return path


def unseen(folder: Path, content_ids: "pd.Series") -> "np.ndarray | None":
    """Which of `content_ids` (N,) the model in `folder` has not seen, bool (N,); None where it is not known."""
    import numpy as np

    path = folder / SEEN
    if not path.is_file():
        return None
    return ~np.isin(content_codes(content_ids), np.load(path, allow_pickle=False))


def content_codes(content_ids: "pd.Series") -> "np.ndarray":
    """Content ids (hexadecimal) as uint64 (N,)."""
    import numpy as np

    return np.array([int(name[:HEX_DIGITS], 16) for name in content_ids], dtype=np.uint64)
