"""The pairs format of Labeled Faces in the Wild: what is read, what is refused, what is drawn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.errors import ConfigError, StopError
from facebatch.evaluate.pairs import Pair, PairsList, Photo, draw_pairs, format_pairs, parse_pairs, photos_of

LIST = "2\t1\nAda_L\t1\t4\nAda_L\t2\tBo\t10\nCy\t1\t2\nCy\t3\tDee O\t12345\n"
PARSED = PairsList(
    (
        (Pair(Photo("Ada_L", 1), Photo("Ada_L", 4)), Pair(Photo("Ada_L", 2), Photo("Bo", 10))),
        (Pair(Photo("Cy", 1), Photo("Cy", 2)), Pair(Photo("Cy", 3), Photo("Dee O", 12345))),
    )
)
PEOPLE = {f"p{number:02d}": range(1, 2 + number % 5) for number in range(40)}


def test_a_list_is_read_as_it_was_published():
    assert parse_pairs(LIST, "pairs.txt") == PARSED
    assert parse_pairs("2 1\nAda_L 1 4\nAda_L 2 Bo 10\n\nCy 1 2\nCy\t3\tDee O\t12345", "pairs.txt") == PARSED
    assert format_pairs(PARSED) == LIST
    assert [pair.mated for fold in PARSED.folds for pair in fold] == [True, False, True, False]


def test_images_lie_in_a_folder_of_people():
    assert Photo("George_W_Bush", 10).name == "George_W_Bush/George_W_Bush_0010"
    assert Photo("Dee O", 12345).name == "Dee O/Dee O_12345"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (LIST, "", r"^p\.txt: the file is empty"),
        ("2\t1\n", "2\n", r"line 1: expected the number of folds"),
        ("2\t1\n", "2\t0\n", r"line 1: expected the number of folds"),
        ("2\t1\n", "3\t1\n", r"3 folds of 1 mated and 1 non-mated pairs, which are 6 lines, and 4 follow"),
        ("Cy\t1\t2\n", "", r"which are 4 lines, and 3 follow"),
        ("Ada_L\t1\t4", "Ada_L\t1\tBo\t4", r"line 2: 4 columns, and this is the place of a mated pair"),
        ("Ada_L\t2\tBo\t10", "Ada_L\t2\t10", r"line 3: 3 columns, and this is the place of a non-mated pair"),
        ("Ada_L\t2\tBo\t10", "Bo\t2\tBo\t10", r"line 3: a non-mated pair names one person twice"),
        ("Cy\t1\t2\n", "Cy\t2\t02\n", r"line 4: an image is compared with itself"),
        ("Cy\t1\t2\n", "Cy\t1\tx2\n", r"line 4: 'x2' is not the number of an image"),
        ("Cy\t1\t2\n", "Cy\t1\t-2\n", r"line 4: '-2' is not the number"),
        ("Cy\t1\t2\n", "../Cy\t1\t2\n", r"line 4: a name is empty or cannot be a folder's"),
        ("Cy\t1\t2\n", "..\t1\t2\n", r"line 4: a name is empty or cannot be a folder's"),
    ],
)
def test_a_fault_is_named_by_file_and_line(old, new, words):
    assert old in LIST
    with pytest.raises(ConfigError, match=words) as raised:
        parse_pairs(LIST.replace(old, new), "p.txt")
    assert str(raised.value).startswith("p.txt")


names = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="/\\"), min_size=1)
folders = names.filter(lambda name: name not in {".", ".."})


@given(st.dictionaries(folders, st.sets(st.integers(0, 99_999), min_size=2, max_size=4), min_size=4, max_size=6))
def test_a_drawn_list_survives_writing_and_reading(people):
    drawn = draw_pairs({name: sorted(numbers) for name, numbers in people.items()}, folds=2, size=1, seed=0)
    assert parse_pairs(format_pairs(drawn), "p.txt") == drawn


def test_a_drawn_list_parts_people_and_repeats_nothing():
    drawn = draw_pairs(PEOPLE, folds=5, size=8, seed=3)
    seen: list[set[str]] = []
    for fold in drawn.folds:
        assert [pair.mated for pair in fold] == [True] * 8 + [False] * 8
        assert len({frozenset((pair.left, pair.right)) for pair in fold}) == 16
        assert all(photo.number in PEOPLE[photo.person] for pair in fold for photo in (pair.left, pair.right))
        seen.append({photo.person for pair in fold for photo in (pair.left, pair.right)})
    assert sum(map(len, seen)) == len(set().union(*seen))
    assert draw_pairs(PEOPLE, folds=5, size=8, seed=3) == drawn
    assert draw_pairs(PEOPLE, folds=5, size=8, seed=4) != drawn


def test_people_take_turns():
    people = {"much": range(1, 40), "b": [1, 2], "c": [1, 2], "d": [1, 2]}
    (fold,) = draw_pairs(people, folds=1, size=4, seed=0).folds
    assert sorted(pair.left.person for pair in fold[:4]) == ["b", "c", "d", "much"]
    meetings = [sorted((pair.left.person, pair.right.person)) for pair in fold[4:]]
    assert sorted(name for pair in meetings for name in pair) == sorted([*people] * 2)


def test_every_pair_can_be_drawn():
    (fold,) = draw_pairs({"a": [1, 2, 3], "b": [1]}, folds=1, size=3, seed=0).folds
    assert len(set(fold)) == 6
    with pytest.raises(StopError, match="fold 1 of 1 has images for 3 mated and 3 non-mated pairs, and 4 of each"):
        draw_pairs({"a": [1, 2, 3], "b": [1]}, folds=1, size=4, seed=0)
    with pytest.raises(StopError, match="fold 2 of 2 has images for 1 mated and 0 non-mated"):
        draw_pairs({"a": [1, 2], "b": [1], "c": [1, 2]}, folds=2, size=1, seed=2)
    with pytest.raises(ConfigError, match="must be at least 1"):
        draw_pairs(PEOPLE, folds=0, size=4, seed=0)


def test_people_are_read_off_the_paths_of_their_images():
    found = photos_of(["b/b_0002.png", "a_x/a_x_0010.jpg", "a_x/a_x_0002.JPG", "b/b_12345.webp"])
    assert found == {"a_x": [2, 10], "b": [2, 12345]}


@pytest.mark.parametrize("path", ["a/b_0001.jpg", "a_0001.jpg", "x/a/a_0001.jpg", "a/a_1.jpg", "a/a_0001.txt", "a/a"])
def test_an_image_of_another_name_is_refused(path):
    with pytest.raises(ConfigError, match=f"{path}: an image of a pairs list lies at"):
        photos_of(["a/a_0001.jpg", path])
