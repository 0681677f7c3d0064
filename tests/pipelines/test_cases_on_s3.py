"""Cases whose manifest, media, gallery and results are on S3; sheets that a browser opens by a signed link."""

import json
import re
from dataclasses import dataclass
from html import unescape
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest
import yaml

from browser import chromium
from casework import ASKED, case_of
from facebatch.cases.settings import SheetSpec
from facebatch.config import CasesConfig
from facebatch.errors import ConfigError
from facebatch.faces.settings import ModelSpec
from facebatch.governance.retention import class_of
from facebatch.match.settings import MatchSpec
from facebatch.pipelines import case_publish, cases
from facebatch.pipelines.cases import CasesReport
from facebatch.storage import layout
from facebatch.storage.links import signed_link
from facebatch.storage.local import LocalStore
from facebatch.storage.open import open_store
from facebatch.storage.store import ObjectStore
from page import Page
from pipelines.test_on_s3 import Bucket
from servers.s3 import Server
from worlds import LOCAL, QUIET, World

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class Signed:
    """A run of two cases, one of which finds two people, and the links that its index has."""

    bucket: Bucket
    config: CasesConfig
    report: CasesReport

    def object(self, key: str) -> bytes:
        return open_store(f"{self.bucket.root}/results", self.bucket.s3).get(key)

    def keys(self, suffix: str | tuple[str, ...]) -> list[str]:
        return [
            each.key
            for each in open_store(f"{self.bucket.root}/results", self.bucket.s3).list()
            if each.key.endswith(suffix)
        ]

    @property
    def links(self) -> set[str]:
        folder, _, name = self.report.index.rpartition("/")
        index = open_store(folder, self.bucket.s3).get(name).decode()
        return {unescape(link) for link in re.findall(r'href="(http[^"]+)"', index)}


def run(server: Server, world: World, model: ModelSpec, sheets: SheetSpec) -> Signed:
    bucket = Bucket(server, world.root, model)
    bucket.embed()
    bucket.index()
    photo = sorted(info.key for info in open_store(f"{bucket.root}/probe-photos", bucket.s3).list())[0]
    listed = [case_of("a", {"uri": f"probe-photos/{photo}"}), case_of("b", {"uri": "probe-photos/none.jpg"})]
    open_store(bucket.root, bucket.s3).put("cases.yaml", yaml.safe_dump(listed).encode())
    config = CasesConfig(
        gallery=bucket.gallery,
        results=f"{bucket.root}/results",
        cases=f"{bucket.root}/cases.yaml",
        request=ASKED,
        model=model,
        match=MatchSpec(unevaluated=True, length=2),
        sheets=sheets,
        run=LOCAL,
        s3=bucket.s3,
    )
    report = cases.run(config, QUIET)
    assert isinstance(report, CasesReport)
    return Signed(bucket, config, report)


def fetch(link: str) -> tuple[str, bytes]:
    """Media type and content, as somebody gets them who has nothing but the link."""
    with urlopen(link, timeout=10) as reply:  # of the loopback server
        return reply.headers["Content-Type"], reply.read()


def test_cases_on_s3_and_their_signed_sheets(server: Server, world: World, model: ModelSpec) -> None:
    signed = run(server, world, model, SheetSpec(links="signed"))
    report = signed.report
    assert (report.outcomes, report.pictures) == ({"missing": 1, "ok": 1}, 2)
    assert cases.run(signed.config, QUIET) != report  # nothing is left to picture
    assert len(signed.links) == 2
    assert signed.keys(layout.SIGNED_SHEET) == []
    for link in signed.links:
        assert link.startswith(server.endpoint)
        assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in link
        kind, page = fetch(link)
        assert kind == "text/html; charset=utf-8"
        assert b"They are not identifications." in page


def test_linked_pictures_of_a_signed_sheet_have_links_of_their_own(
    server: Server, world: World, model: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictured: list[str] = []

    def noting(store: ObjectStore, key: str, hours: float) -> str:
        pictured.extend([key] if key.startswith(layout.PICTURES) else [])
        return signed_link(store, key, hours)

    monkeypatch.setattr(case_publish, "signed_link", noting)
    signed = run(server, world, model, SheetSpec(pictures="linked", links="signed", signed_hours=2))
    assert len(pictured) == len(set(pictured)) == 4  # a second later a link of the same picture is another one
    [copied] = [link for link in signed.links if f"/{layout.SIGNED_SHEET}?" in link]
    sources = {values["src"] for values in Page(fetch(copied)[1].decode()).each("img")}
    search = urlsplit(copied).path.removesuffix(f"/{layout.SIGNED_SHEET}").rpartition("/")[2]
    assert len(sources) == 4  # the probe as given and aligned, two candidates
    assert class_of(layout.SIGNED_SHEET) == class_of(layout.SHEET)  # it goes when the others go
    for source in sources:
        told = urlsplit(str(source))
        assert parse_qs(told.query)["X-Amz-Expires"] == ["7200"]
        kind, picture = fetch(str(source))
        assert (kind, picture[:2]) == ("image/jpeg", b"\xff\xd8")
        assert picture == signed.object(f"{search}/{layout.PICTURES}{told.path.rpartition('/')[2]}")


def test_what_is_stored_of_a_linked_sheet_is_the_same_whether_links_are_signed(
    server: Server, world: World, model: ModelSpec
) -> None:
    signed = run(server, world, model, SheetSpec(pictures="linked", links="signed"))
    kept = (layout.SHEET, layout.CASE, ".jpg")
    before = {key: signed.object(key) for key in signed.keys(kept) if not key.endswith(layout.SIGNED_SHEET)}
    [key] = [each for each in signed.keys("/manifest.json") if each.startswith(layout.RUNS)]
    entries = json.loads(signed.object(key))["searches"]
    plain = signed.config.model_copy(update={"sheets": SheetSpec(pictures="linked")})
    cases.run(plain, QUIET)
    assert {key: signed.object(key) for key in before} == before
    assert json.loads(signed.object(key))["searches"] == entries
    assert all(b"X-Amz" not in data for data in before.values())


def test_a_browser_shows_all_pictures_behind_a_signed_link(server: Server, world: World, model: ModelSpec) -> None:
    with chromium() as tab:
        signed = run(server, world, model, SheetSpec(pictures="linked", links="signed"))
        for link in sorted(signed.links):
            tab.visit(link, 1280, 800)
            shown = tab.evaluate("[...document.images].map(image => image.naturalWidth > 0)")
            assert shown == [True] * (5 if layout.SIGNED_SHEET in link else 0)
            assert not [each for each in tab.complaints if "Security Policy" in each]


def test_a_folder_signs_no_links(tmp_path: pytest.TempPathFactory) -> None:
    with pytest.raises(ConfigError, match=r"set sheets\.links to relative"):
        signed_link(LocalStore(str(tmp_path)), "a", 1)
