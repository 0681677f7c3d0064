"""Plots that go into a page."""

import re
from xml.etree import ElementTree

import pytest

from facebatch.charts import Chart, chart

NAMESPACE = "{http://www.w3.org/2000/svg}"


def drawn(title: str = "Faces & nights") -> Chart:
    with chart(title) as picture:
        picture.axes.plot([1, 2, 3], [0.1, 0.3, 0.2], label="share <of> images")
        picture.axes.legend()
    return picture


def test_a_chart_is_one_svg_element_with_a_title_for_screen_readers() -> None:
    root = ElementTree.fromstring(drawn().svg)
    assert root.tag == f"{NAMESPACE}svg"
    assert root.get("role") == "img"
    assert root.findtext(f"{NAMESPACE}title") == "Faces & nights"


def test_the_same_data_gives_the_same_bytes() -> None:
    assert drawn().svg == drawn().svg


def test_pictures_in_one_page_share_no_id() -> None:
    ids = [re.findall(r'\bid="([^"]+)"', drawn(title).svg) for title in ("one", "two")]
    assert ids[0]
    assert len({*ids[0], *ids[1]}) == len(ids[0]) + len(ids[1])


def test_words_stay_text_and_are_escaped() -> None:
    assert "share &lt;of&gt; images" in drawn().svg


@pytest.mark.parametrize("foreign", ["http://", "https://", "<image"])
def test_nothing_is_fetched(foreign: str) -> None:
    text = drawn().svg
    fetched = [line for line in text.splitlines() if foreign in line and "href" in line]
    assert fetched == []
