"""Files of labelled pairs: LFW's own format, CSV, and a message for every line that is neither."""

from pathlib import Path

import pytest

from facematch.core.errors import FacematchError
from facematch.tasks.protocols.labelled_pairs import LabelledPairs, load_pairs

LFW = "2\t1\nAda\t1\t12\nAda\t3\tBob\t4\nCid\t2\t1\nCid\t1\tDan\t2\n"


def loaded(folder: Path, text: str) -> LabelledPairs:
    path = folder / "pairs.txt"
    path.write_text(text, encoding="utf-8")
    return load_pairs(path)


def test_lfws_own_file(tmp_path: Path) -> None:
    pairs = loaded(tmp_path, LFW)
    assert list(zip(pairs.first, pairs.second, strict=True)) == [
        ("Ada/Ada_0001.jpg", "Ada/Ada_0012.jpg"),
        ("Ada/Ada_0003.jpg", "Bob/Bob_0004.jpg"),
        ("Cid/Cid_0002.jpg", "Cid/Cid_0001.jpg"),
        ("Cid/Cid_0001.jpg", "Dan/Dan_0002.jpg"),
    ]
    assert pairs.same.tolist() == [True, False, True, False]
    assert pairs.folds is not None
    assert pairs.folds.tolist() == [0, 0, 1, 1]
    assert len(pairs) == 4
    assert len(pairs.photos) == len(set(pairs.photos)) == 7


def test_each_fold_has_its_same_pairs_first(tmp_path: Path) -> None:
    same, different = "A\t1\t2\nB\t1\t2\nC\t1\t2\n", "A\t1\tB\t1\nA\t1\tC\t1\nB\t1\tC\t1\n"
    pairs = loaded(tmp_path, f"10\t3\n{(same + different) * 10}")
    assert pairs.same.tolist() == ([True] * 3 + [False] * 3) * 10
    assert pairs.folds is not None
    assert pairs.folds.tolist() == [fold for fold in range(10) for _ in range(6)]


def test_spaces_blank_lines_and_windows_line_ends_are_the_same_file(tmp_path: Path) -> None:
    plain, other = loaded(tmp_path, LFW), loaded(tmp_path, "\ufeff" + LFW.replace("\t", "  ").replace("\n", "\r\n\r\n"))
    assert (plain.first, plain.second) == (other.first, other.second)
    assert plain.same.tolist() == other.same.tolist()


def test_a_single_set_has_no_folds(tmp_path: Path) -> None:
    assert loaded(tmp_path, "1\nA\t1\t2\nA\t1\tB\t1\n").folds is None


def test_csv(tmp_path: Path) -> None:
    pairs = loaded(tmp_path, '\ufeffnote, Same ,a,b\n"x, y",1,u.jpg, v.jpg\n\n,FALSE,u.jpg,"w,1.jpg"\n')
    assert (pairs.first, pairs.second) == (("u.jpg", "u.jpg"), ("v.jpg", "w,1.jpg"))
    assert pairs.same.tolist() == [True, False]
    assert pairs.folds is None
    assert pairs.photos == ("u.jpg", "v.jpg", "w,1.jpg")


def test_csv_with_folds_of_any_name(tmp_path: Path) -> None:
    pairs = loaded(tmp_path, "a,b,same,fold\n1,2,1,west\n1,3,0,east\n2,3,true,west\n")
    assert pairs.folds is not None
    assert pairs.folds.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("\n  \n", "is empty"),
        ("a,b,same\n", "holds no pair after its first line"),
        ("10 0\n", "holds no pair after its first line"),
        ("a,b\nx,y\n", "line 1: found 'a,b', expected the columns a, b, same"),
        ("a;b;same\nx;y;1\n", "line 1: found 'a;b;same', expected the columns a, b, same"),
        ("a,b,same,a\n1,2,1,3\n", "line 1: found 'a,b,same,a'"),
        ("1 2 3\n", "line 1: found '1 2 3'"),
        ("\na,b,same\n\nx,y,1\nx,y\n", "line 5: found 'x,y', expected 3 columns"),
        ("a,b,same\nx,y,1,2\n", "line 2: found 'x,y,1,2', expected 3 columns"),
        ("a,b,same\nx,,1\n", "line 2: found 'x,,1', expected two photos."),
        ("a,b,same,fold\nx,y,1,\n", "line 2: found 'x,y,1,', expected two photos and a fold"),
        ("a,b,same\nx,y,maybe\n", "line 2: found 'x,y,maybe', expected 1 or 0 in the column same"),
        ("a,b,same\nx,x,1\n", "line 2: found 'x,x,1', expected two photos that are not the same file"),
        ("a,b,same\n" + "x" * 200_000 + "\n", "line 2: found 'xxxxx"),
        ("2\t1\nA\t1\t2\nA\t1\tB\t1\n", r"holds 2 pairs, but its first line, '2\\t1', stands for 4: 2 × \(1 same"),
        ("1\nA 1\nA 1 B 1\n", "line 2: found 'A 1', expected `name i j`, two photos of one person"),
        ("1\nA 1 x\nA 1 B 1\n", "line 2: found 'A 1 x'"),
        ("1\nA 1 01\nA 1 B 1\n", "line 2: found 'A 1 01'"),
        ("1\nA 1 2\nA 1 A 3\n", "line 3: found 'A 1 A 3', expected `name1 i name2 j`, photos of two people"),
        ("1\nA 1 B 1\nA 1 2\n", "line 2: found 'A 1 B 1', expected `name i j`"),
        (f"1\nA 1 {'9' * 5000}\nA 1 B 1\n", "line 2: found 'A 1 99"),
    ],
)
def test_every_mistake_names_its_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(FacematchError, match=words) as caught:
        loaded(tmp_path, text)
    assert str(tmp_path / "pairs.txt") in caught.value.message
    assert len(caught.value.message) < 500


def test_what_is_no_text_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    for path, words in (
        (tmp_path / "no.csv", "does not exist"),
        (tmp_path, "cannot be read: Is a directory"),
        (tmp_path / "photo.jpg", "is damaged, or of another kind: 'utf-8' codec"),
    ):
        with pytest.raises(FacematchError, match=words):
            load_pairs(path)


def test_lists_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"unequal length: \[1, 2\]"):
        LabelledPairs(("a",), ("b", "c"), [True], None)  # type: ignore[arg-type]
