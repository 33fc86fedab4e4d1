"""Numbers of a report as HTML: tiles, a table of views, where the time of a step went."""

from collections.abc import Iterable, Mapping, Sequence

from sparse3d.view.report.facts import Facts, Scores
from sparse3d.view.report.markup import Markup, fill, joined

__all__ = ["count", "duration", "length", "score", "score_table", "step_bar", "tiles"]

_NONE = "\N{EN DASH}"


def length(value: float | None, metric: bool) -> str:
    """A length for people.

    Example:
        >>> length(0.0123, True), length(3.456, True), length(3.456, False)
        ('1.2 cm', '3.46 m', '3.46')
    """
    if value is None:
        return _NONE
    if not metric:
        return f"{value:.3g}"
    return f"{100 * value:.1f} cm" if abs(value) < 1 else f"{value:.2f} m"


def duration(seconds: float | None) -> str:
    """A time for people.

    Example:
        >>> duration(0.00035), duration(0.1229), duration(48.2), duration(123.3)
        ('0.35 ms', '123 ms', '48.2 s', '2:03 min')
    """
    if seconds is None:
        return _NONE
    if seconds < 1:
        return f"{1000 * seconds:.{2 if seconds < 0.01 else 0}f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02} min"


def score(value: float | None, digits: int) -> str:
    """A metric with a fixed number of decimals, or a dash."""
    return _NONE if value is None else f"{value:.{digits}f}"


def tiles(facts: Facts, depth_error: float | None, metric: bool) -> Markup:
    """The most important numbers, large."""
    mean, views = facts.mean, len(facts.per_view)
    rows = [
        (f"{score(mean.psnr, 2)} dB", "PSNR", f"mean of {views} held-out views; higher is better"),
        (score(mean.ssim, 3), "SSIM", "structural similarity; 1 is the photo itself"),
        (length(depth_error, metric), "depth error", "median, against the true depth"),
        (duration(facts.seconds), "training", f"{count(facts.iterations)} steps"),
        (duration(facts.seconds_per_iteration), "a step", "median of all steps"),
        (count(facts.gaussians), "Gaussians", "in splat.ply"),
    ]
    shown = (row for row in rows if not (row[1] == "depth error" and depth_error is None))
    return joined(fill("tile", value=value, name=name, note=note) for value, name, note in shown)


def score_table(
    per_view: Sequence[Scores], mean: Scores, depth_errors: Sequence[float | None], metric: bool
) -> Markup:
    """Metrics of every view and their means; columns without any value are left out."""
    columns = [
        ("PSNR, dB", [score(view.psnr, 2) for view in (*per_view, mean)]),
        ("SSIM", [score(view.ssim, 3) for view in (*per_view, mean)]),
        ("LPIPS", [score(view.lpips, 3) for view in (*per_view, mean)]),
        ("depth error", [length(error, metric) for error in depth_errors]),
    ]
    used = [(title, cells) for title, cells in columns if set(cells) != {_NONE}]
    names = [*(view.name for view in per_view), mean.name]
    rows = zip(names, *(cells for _, cells in used), strict=True)
    return fill(
        "scores",
        head=_cells("th", (title for title, _ in used)),
        rows=joined(fill("score", name=name, cells=_cells("td", cells)) for name, *cells in rows),
    )


def step_bar(step_seconds: Mapping[str, float], names: Mapping[str, str]) -> Markup:
    """A bar with a part for each part of a step; empty where no times are known.

    Args:
        step_seconds: In the order of the step.
        names: Of parts, for people.
    """
    total = sum(step_seconds.values())
    if not total > 0:
        return Markup()
    parts = [
        {
            "name": names.get(name, name),
            "share": f"{100 * seconds / total:.2f}",
            "time": duration(seconds),
        }
        for name, seconds in step_seconds.items()
    ]
    bars = joined(fill("bar", **part) for part in parts)
    return fill("steps", bars=bars, keys=joined(fill("key", **part) for part in parts))


def count(value: int | None) -> str:
    """A number of things for people, or a dash."""
    return _NONE if value is None else f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _cells(tag: str, texts: Iterable[str]) -> Markup:
    return joined(fill(tag, text=text) for text in texts)
