"""Cases whose manifest, media, gallery and results are on S3; sheets that a browser opens by a signed link."""

import re
from html import unescape
from urllib.request import urlopen

import pytest
import yaml

from casework import ASKED, case_of
from facebatch.cases.settings import SheetSpec
from facebatch.config import CasesConfig
from facebatch.errors import ConfigError
from facebatch.faces.settings import ModelSpec
from facebatch.match.settings import MatchSpec
from facebatch.pipelines import cases
from facebatch.pipelines.cases import CasesReport
from facebatch.storage.links import signed_link
from facebatch.storage.local import LocalStore
from facebatch.storage.open import open_store
from pipelines.test_on_s3 import Bucket
from servers.s3 import Server
from worlds import LOCAL, QUIET, World

pytestmark = pytest.mark.integration


@pytest.fixture(params=["moto", pytest.param("ceph", marks=pytest.mark.s3)])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Server:
    found: Server = request.getfixturevalue(request.param)
    found.use(monkeypatch)
    return found


def test_cases_on_s3_and_their_signed_sheets(server: Server, world: World, model: ModelSpec) -> None:
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
        sheets=SheetSpec(links="signed"),
        run=LOCAL,
        s3=bucket.s3,
    )
    report = cases.run(config, QUIET)
    assert isinstance(report, CasesReport)
    assert (report.outcomes, report.pictures) == ({"missing": 1, "ok": 1}, 2)
    assert cases.run(config, QUIET) != report  # nothing is left to picture
    index = open_store(report.index.rpartition("/")[0], bucket.s3).get("index.html").decode()
    links = [unescape(link) for link in re.findall(r'href="(http[^"]+)"', index)]
    assert len(set(links)) == 2
    for link in set(links):
        assert link.startswith(server.endpoint)
        with urlopen(link, timeout=10) as reply:  # of the loopback server
            assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
            assert b"They are not identifications." in reply.read()


def test_a_folder_signs_no_links(tmp_path: pytest.TempPathFactory) -> None:
    with pytest.raises(ConfigError, match=r"set sheets\.links to relative"):
        signed_link(LocalStore(str(tmp_path)), "a", 1)
