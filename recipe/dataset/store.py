"""Arrays and tables on disk: written row by row, beside their place, and read as memory maps."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import DTypeLike

from recipe.errors import WorkspaceError


class RowWriter:
    """Appends rows of one shape to a .npy file whose length is not known before the end."""

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self.shape, self.dtype, self.rows = shape, np.dtype(dtype), 0
        self.file = open(path, "wb")
        self._write_header()

    def append(self, rows: Sequence[np.ndarray] | np.ndarray) -> None:
        """Add `rows`, an array (n, *shape) or a list of arrays of that shape."""
        if len(rows):
            self.file.write(np.ascontiguousarray(rows, dtype=self.dtype).tobytes())
            self.rows += len(rows)

    def _write_header(self) -> None:
        # numpy pads the header so that the first axis may grow in place
        header = {"descr": self.dtype.str, "fortran_order": False, "shape": (self.rows, *self.shape)}
        np.lib.format.write_array_header_1_0(self.file, header)

    def __enter__(self) -> "RowWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self.file:
            if kind is None:
                self.file.seek(0)
                self._write_header()


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder to write in, beside `folder`; it takes its place once the block has ended well, else it is removed.

    Raises:
        WorkspaceError: the disk cannot be written.
    """
    beside = folder.with_name(f".{folder.name}.part")  # one name, so that the next run clears what a killed one left
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        yield beside
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(beside, folder)
    except OSError as error:
        reason = error.strerror or str(error)
        raise WorkspaceError(f"Cannot write {folder}: {reason}. Free the disk or give permission.") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
