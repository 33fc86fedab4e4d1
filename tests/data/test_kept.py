"""Samples stay in memory while there is room."""

from sparse3d.data.kept import Kept


def test_what_came_first_stays_and_the_rest_is_made_anew() -> None:
    made: list[int] = []

    def make(number: int) -> str:
        made.append(number)
        return "x" * number

    kept = Kept(7, make, len)
    assert [kept[number] for number in (4, 5, 3, 4, 3, 5, 0)] == [
        "x" * number for number in (4, 5, 3, 4, 3, 5, 0)
    ]
    assert made == [4, 5, 3, 5, 0]  # 4 and 3 fill the room; 5 never fits, nothing always does
    assert kept[0] == ""
    assert made[-1] == 0
    assert len(made) == 5
