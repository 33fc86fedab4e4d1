"""Rows for people."""

from collections.abc import Iterable

from rich.table import Column, Table

from harness.rows import Row

__all__ = ["COLUMNS", "cells", "table_of"]

COLUMNS = ("what", "measured", "peer", "peer's", "ratio", "goal", "met")
NEVER_WRAPPED = ("what", "measured", "goal")


def cells(row: Row) -> tuple[str, ...]:
    """One text for each of ``COLUMNS``, empty where there is nothing to say."""
    spread = "" if row.spread is None else f" ±{100 * row.spread / 2:.0f} %"
    ratio = "" if row.ratio is None else f"{_number(row.ratio)}x"
    peer_value = "" if row.peer_value is None else f"{_number(row.peer_value)} {row.unit}"
    met = {True: "yes", False: "no", None: ""}[row.met]
    value = f"{_number(row.value)} {row.unit}{spread}"
    return row.name, value, row.peer, peer_value, ratio, _goal(row), met


def table_of(title: str, rows: Iterable[Row]) -> Table:
    """A table for the console."""
    columns = (Column(name, no_wrap=name in NEVER_WRAPPED) for name in COLUMNS)
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*cells(row))
    return table


def _goal(row: Row) -> str:
    if row.goal is None:
        return ""
    if row.goal_of == "ratio":
        return f"≥ {_number(row.goal)}x"
    return f"{'≤' if row.better == 'lower' else '≥'} {_number(row.goal)} {row.unit}"


def _number(value: float) -> str:
    if value and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.3g}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
