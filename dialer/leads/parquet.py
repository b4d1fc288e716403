"""Parquet files. pyarrow is imported only here, and only when such a list is read or written."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dialer.leads.source import Row, RowSource, check_width, refuse, text_of

BATCH = 1_000
MAX_UNPACKED = 1024 * 1024 * 1024  # bytes, by the file's own account


def read_parquet(path: Path) -> RowSource:
    """Open a Parquet list; `Row.line` is the number of the record, from 1."""
    import pyarrow
    import pyarrow.parquet

    unreadable = (pyarrow.ArrowException, OSError, ValueError)
    try:
        file = pyarrow.parquet.ParquetFile(path)
        meta = file.metadata
        headings = tuple(str(name) for name in file.schema_arrow.names)
        unpacked = sum(meta.row_group(at).total_byte_size for at in range(meta.num_row_groups))
    except unreadable as error:
        raise _damaged(path, error) from None
    check_width(path, len(headings), 1)
    if unpacked > MAX_UNPACKED:
        file.close()
        found = f"the list unpacks to {unpacked:,} bytes, at most {MAX_UNPACKED:,} are read"
        raise refuse(path, found, "split it")
    done = [0]
    total = max(1, meta.num_rows)

    def rows() -> Iterator[Row]:
        try:
            for batch in file.iter_batches(batch_size=BATCH):
                for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    done[0] += 1
                    yield _row(path, done[0], cells)
        except unreadable as error:
            raise _damaged(path, error) from None

    return RowSource(
        path=path,
        format="parquet",
        headings=headings,
        rows=rows(),
        share_read=lambda: min(1.0, done[0] / total),
        close=file.close,
    )


def _row(path: Path, number: int, cells: tuple[Any, ...]) -> Row:
    """Turn one record into text; no text list holds a NUL."""
    texts = tuple(text_of(cell) for cell in cells)
    if any("\0" in text for text in texts):
        raise refuse(path, f"a NUL character in record {number}", "remove it")
    return Row(line=number, cells=texts)


def _damaged(path: Path, error: BaseException) -> Exception:
    """Build the error for a file that pyarrow cannot read."""
    return refuse(path, f"not readable as Parquet ({error})", "write the file again")
