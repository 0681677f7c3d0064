"""A page as a browser without a network sees it."""

import re
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise

BANNED = ("match confidence", "identified", "suspect")


class Page(HTMLParser):
    """What a page refers to and how it is marked up."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text, self.tags = text, list[tuple[str, dict[str, str | None]]]()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def each(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def plots(self) -> list[str]:
        """Titles of the pictures."""
        return re.findall(r'<svg role="img".*?<title>(.*?)</title>', self.text, re.DOTALL)

    def assert_fit_for_all(self) -> None:
        """Nothing is fetched or run; tables have scopes, pictures have words, ids are unique."""
        references = [
            str(values[name]) for _, values in self.tags for name in ("src", "href", "xlink:href") if name in values
        ]
        assert [reference for reference in references if not reference.startswith("#")] == []
        assert self.each("script") == self.each("link") == self.each("img") == []
        assert "@import" not in self.text
        assert all(reference.startswith("#") for reference in re.findall(r"url\((.*?)\)", self.text))
        assert all(values.get("scope") in ("col", "row", "rowgroup") for values in self.each("th"))
        assert len(self.plots) == len(self.each("svg")) == len(self.each("figure"))
        ids = [values["id"] for _, values in self.tags if "id" in values]
        assert len(ids) == len(set(ids))
        assert not any(word in self.text.lower() for word in BANNED)

    def assert_sheet(self, pictures: str, links: str = "#.+") -> None:
        """Nothing is run, nothing is fetched but pictures of that pattern; people and their tools find their way."""
        assert all(re.fullmatch(pictures, str(values["src"])) and values["alt"] for values in self.each("img"))
        assert all(re.fullmatch(links, str(values["href"])) for values in self.each("a"))
        assert {tag for tag, _ in self.tags} & {"script", "link", "iframe", "object", "form"} == set()
        assert not [name for _, values in self.tags for name in values if name.startswith("on") or name == "style"]
        assert "@import" not in self.text
        assert "url(" not in self.text
        ids = [values["id"] for _, values in self.tags if "id" in values]
        assert len(ids) == len(set(ids))
        named = [values[name] for _, values in self.tags for name in ("aria-labelledby", "for") if name in values]
        named += [str(values["href"])[1:] for values in self.each("a") if str(values["href"]).startswith("#")]
        assert set(named) <= set(ids)
        levels = [int(tag[1]) for tag, _ in self.tags if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))
        assert [len(self.each(tag)) for tag in ("html", "header", "main", "footer", "title")] == [1] * 5
        assert self.each("html")[0]["lang"] == "en"
        assert all(values.get("scope") in ("col", "row") for values in self.each("th"))
        assert not any(word in self.text.lower() for word in BANNED)

    @property
    def words(self) -> str:
        """What it says, without pictures, in single spaces."""
        without = re.sub(r"<(style|svg).*?</\1>", " ", self.text, flags=re.DOTALL)
        return plain(unescape(re.sub(r"<[^>]+>", " ", without)))


def plain(text: str) -> str:
    """In single spaces, narrow ones too."""
    return " ".join(text.split())
