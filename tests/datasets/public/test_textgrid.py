from __future__ import annotations

import pytest

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets.public._textgrid import Interval, read_textgrid, read_words

LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 2.5
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "word"
        xmin = 0
        xmax = 2.5
        intervals: size = 4
        intervals [1]:
            xmin = 0
            xmax = 0.5
            text = "sp"
        intervals [2]:
            xmin = 0.5
            xmax = 1.25
            text = "Alice "
        intervals [3]:
            xmin = 1.25
            xmax = 2
            text = "said ""no"" ! 3"
        intervals [4]:
            xmin = 2
            xmax = 2.5
            text = ""
    item [2]:
        class = "TextTier"
        name = "clicks"
        xmin = 0
        xmax = 2.5
        points: size = 1
        points [1]:
            number = 1.5
            mark = "x"
"""
SHORT = """File type = "ooTextFile"
"TextGrid"

0
2.5
<exists>
2
"IntervalTier"
"word"
0
2.5
4
0
0.5
"sp"
0.5
1.25
"Alice "
1.25
2
"said ""no"" ! 3"
2
2.5
""
"TextTier"
"clicks"
0
2.5
1
1.5
"x"
"""
INTERVALS = [
    Interval(0, 0.5, "sp"),
    Interval(0.5, 1.25, "Alice"),
    Interval(1.25, 2, 'said "no" ! 3'),
    Interval(2, 2.5, ""),
]


@pytest.fixture
def write(tmp_path):
    def save(content, encoding="utf-8"):
        path = tmp_path / "story.TextGrid"
        path.write_bytes(content.encode(encoding))
        return path

    return save


@pytest.mark.parametrize("content", [LONG, SHORT], ids=["long", "short"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_long_and_short_files_of_any_encoding_hold_the_same(write, content, encoding, newline):
    path = write(content.replace("\n", newline), encoding)
    assert read_textgrid(path) == {"word": INTERVALS}


@pytest.mark.parametrize("order", ["le", "be"])
def test_both_byte_orders_of_utf_16_are_read(write, order):
    mark = "\ufeff"
    assert read_textgrid(write(mark + SHORT, f"utf-16-{order}")) == {"word": INTERVALS}


def test_letters_beyond_ascii_survive(write):
    for encoding in ("utf-8", "utf-16"):
        path = write(LONG.replace("Alice", "Größe 你好"), encoding)
        assert read_textgrid(path)["word"][1].text == "Größe 你好"


def test_comments_and_the_older_header_are_understood(write):
    content = SHORT.replace('"ooTextFile"', '"ooTextFile short"').replace(
        "<exists>", '<exists> ! "not a text" 7 of these'
    )
    assert read_textgrid(write(content)) == {"word": INTERVALS}


def test_a_grid_without_tiers_is_empty(write):
    assert read_textgrid(write('"ooTextFile" "TextGrid" 0 1 <absent>')) == {}


def test_words_are_what_is_no_silence(write):
    content = LONG.replace('"said ""no"" ! 3"', '"{BR}"')
    assert [word.text for word in read_words(write(content))] == ["Alice"]


def test_files_that_are_no_grid_are_refused(write, tmp_path):
    with pytest.raises(MissingDataError, match="nothing.TextGrid does not exist"):
        read_textgrid(tmp_path / "nothing.TextGrid")
    with pytest.raises(InputError, match="ends before the file type; it is cut short or no TextGrid"):
        read_textgrid(write("word,onset\n"))
    with pytest.raises(InputError, match="is no TextGrid in Praat's text format"):
        read_textgrid(write(LONG.replace('"TextGrid"', '"PitchTier"')))
    with pytest.raises(InputError, match="is no TextGrid in Praat's text format"):
        read_textgrid(write(LONG.replace('"ooTextFile"', '"ooBinaryFile"')))
    with pytest.raises(InputError, match="neither UTF-8 nor UTF-16 .* at byte"):
        read_textgrid(write(LONG.replace("Alice", "Größe"), "latin-1"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("size = 4", "size = 5", "interval 5 of 5 of tier 'word' should be a number, found the text"),
        ("size = 4", "size = 4.5", "the number of intervals of tier 'word' is 4.5, a whole number is wanted"),
        ("size = 4", "size = -1", "the number of intervals of tier 'word' is -1, a whole number"),
        ("xmax = 1.25", "xmax = 0.25", r"interval 2 of 4 of tier 'word' \('Alice'\) ends at 0.25 s, before"),
        ("xmin = 1.25", "xmin = 1.0", "interval 3 of 4 .* starts at 1 s, before the one ahead of it ends"),
        ("xmin = 1.25", "xmin = 1e999", "interval 3 of 4 of tier 'word' is inf, a finite time"),
        ("xmin = 1.25", "xmin = NaN", "interval 3 of 4 of tier 'word' should be a number, found the text"),
        ("TextTier", "MatrixTier", "tier 'clicks' is a 'MatrixTier'; known are IntervalTier and TextTier"),
        ('"clicks"', '"clicks', "a text that starts with a quote never ends|should be a"),
        (
            'class = "TextTier"\n        name = "clicks"',
            'class = "IntervalTier"\n name = "word"',
            "two interval",
        ),
    ],
)
def test_a_damaged_grid_is_named(write, old, new, message):
    assert old in LONG
    with pytest.raises(InputError, match=message):
        read_textgrid(write(LONG.replace(old, new, 1)))


@pytest.mark.parametrize("fraction", [0.2, 0.4, 0.6, 0.8, 0.97])
@pytest.mark.parametrize("content", [LONG, SHORT], ids=["long", "short"])
def test_a_grid_that_is_cut_short_never_reads_as_a_shorter_one(write, content, fraction):
    with pytest.raises(InputError, match="cut short"):
        read_textgrid(write(content[: int(fraction * len(content))]))


def test_tiers_without_the_name_or_without_words_are_refused(write):
    with pytest.raises(InputError, match="a tier of .* is 'words', did you mean 'word'"):
        read_words(write(LONG), tier="words")
    silent = LONG.replace('"Alice "', '"sp"').replace('"said ""no"" ! 3"', '"ns"')
    with pytest.raises(InputError, match="the tier 'word' of .* holds 4 intervals but no word"):
        read_words(write(silent))
