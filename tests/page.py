"""A page as a browser without a network sees it."""

import re
from html import unescape
from html.parser import HTMLParser

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

    @property
    def words(self) -> str:
        """What it says, without pictures, in single spaces."""
        without = re.sub(r"<(style|svg).*?</\1>", " ", self.text, flags=re.DOTALL)
        return plain(unescape(re.sub(r"<[^>]+>", " ", without)))


def plain(text: str) -> str:
    """In single spaces, narrow ones too."""
    return " ".join(text.split())
