"""Tables for people, in the width there is.

One rule governs this module: no cell is cut. Where a table is too wide, columns are left out, and said to be, or the
table goes on in a second part.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Literal, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Columns = Mapping[str, Sequence[str]]
"""The cells of each column, by its heading."""

WIDE = 200  # of what goes to a file or a pipe
_GAP = 2


def console_for(out: TextIO) -> "Console":
    """Give a console as wide as the terminal or COLUMNS says, else wide enough for every table."""
    from rich.console import Console

    is_wide = not (out is sys.stdout and out.isatty()) and "COLUMNS" not in os.environ
    return Console(file=out, width=WIDE if is_wide else None, highlight=False, markup=False)


def without(columns: Columns, expendable: Sequence[str], width: int) -> tuple[dict[str, Sequence[str]], list[str]]:
    """Leave out expendable columns, in their order, until the rest fits; give the rest and what was left out."""
    kept, left_out = dict(columns), []
    for name in expendable:
        if _width(kept) <= width:
            break
        del kept[name]
        left_out.append(name)
    return kept, left_out


def parts(columns: Columns, key: str, width: int) -> list[dict[str, Sequence[str]]]:
    """Split a table into parts that fit, each beginning with the key column."""
    split = [{key: columns[key]}]
    for name in columns:
        if name == key:
            continue
        longer = {**split[-1], name: columns[name]}
        if len(split[-1]) > 1 and _width(longer) > width:
            split.append({key: columns[key], name: columns[name]})
        else:
            split[-1] = longer
    return split


def _width(columns: Columns) -> int:
    """Give the width of a table whose headings are folded between words."""
    return sum(_column_width(name, cells) + _GAP for name, cells in columns.items()) + 1


def _column_width(name: str, cells: Sequence[str]) -> int:
    from rich.cells import cell_len

    return max(map(cell_len, [*name.split(), *(line for cell in cells for line in cell.split("\n"))]), default=0)


def table_of(columns: Columns, *, left: Sequence[str] = (), folded: Sequence[str] = (), title: str = "") -> "Table":
    """Make a table; columns are right-justified unless named in `left`; only those in `folded` may be narrowed."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(title) if title else None,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for name, cells in columns.items():
        justify: Literal["left", "right"] = "left" if name in left else "right"
        if name in folded:
            table.add_column(name, justify=justify, overflow="fold")
        else:
            # A fixed width: Rich would rather fold cells than headings.
            width = _column_width(name, cells)
            table.add_column(fill(name, width, break_long_words=False), justify=justify, width=width, no_wrap=True)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*map(Text, row))
    return table
