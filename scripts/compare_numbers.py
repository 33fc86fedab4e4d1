"""Compare the numbers that two builds of native/check print; see native/check/check.hpp."""

import math
import sys
from pathlib import Path

TOLERANCE = 1e-5  # of the largest number of a row, where rounding may differ


def scale_of(numbers: list[float]) -> float:
    """The largest finite magnitude, at least 1e-30."""
    return max((abs(number) for number in numbers if math.isfinite(number)), default=0.0) or 1e-30


def differing(kind: str, ours: list[str], theirs: list[str]) -> list[int]:
    """Places of a row whose numbers are too far apart, or equally many of them missing."""
    if len(ours) != len(theirs):
        return list(range(max(len(ours), len(theirs))))
    unequal = [i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b]
    if kind == "exact":
        return unequal
    most = TOLERANCE * scale_of([float(word) for word in ours])
    return [i for i in unequal if not abs(float(ours[i]) - float(theirs[i])) <= most]


def complaint(ours: str, theirs: str) -> str | None:
    """What is wrong with two lines ``kind name number number ...``; None if nothing is."""
    kind, name, *numbers = ours.split()
    other_kind, other_name, *others = theirs.split()
    if (kind, name) != (other_kind, other_name):
        return f"{kind} {name} against {other_kind} {other_name}"
    wrong = differing(kind, numbers, others)
    if not wrong:
        return None
    first = wrong[0]
    pair = f"{numbers[first : first + 1]} against {others[first : first + 1]}"
    return f"{kind} {name}: {len(wrong)} of {len(numbers)} differ, first number {first}: {pair}"


def compare(ours: str, theirs: str) -> list[str]:
    """All complaints about two outputs, of which neither may be empty."""
    lines, others = ours.splitlines(), theirs.splitlines()
    if not lines or len(lines) != len(others):
        return [f"{len(lines)} rows against {len(others)}"]
    found = [complaint(*pair) for pair in zip(lines, others, strict=True)]
    return [line for line in found if line is not None]


def main() -> None:
    """Compare two files; exit status 1 if they differ."""
    texts = [Path(name).read_text(encoding="utf-8") for name in sys.argv[1:3]]
    complaints = compare(*texts)
    rows = len(texts[0].splitlines())
    numbers = len(texts[0].split()) - 2 * rows
    sys.stdout.write("".join(f"{line}\n" for line in complaints))
    sys.stdout.write(f"{rows} rows, {numbers} numbers: {len(complaints)} rows differ\n")
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
