"""The request of a case is stored before anything of its probes is read, so that retention knows it from then on."""

from datetime import UTC, datetime, timedelta

import pytest

from casework import Desk, case_of
from dying import Crash
from facebatch.pipelines import case_search
from facebatch.pipelines.retention_holds import case_digest
from facebatch.pipelines.retention_survey import Results, StoredSearch, survey
from facebatch.pipelines.search_request import find_request
from facebatch.storage.settings import S3Spec
from worlds import World

pytestmark = pytest.mark.integration


@pytest.fixture
def desk(searchable: World) -> Desk:
    return Desk(searchable)


def test_it_is_there_before_a_probe_is_read(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    deadline = datetime.now(UTC) + timedelta(hours=1)
    wanted = case_of("a", {"uri": desk.photo(desk.people[0])}, request={"authority": {"pending_until": str(deadline)}})

    def dies(*arguments: object) -> None:
        raise Crash

    monkeypatch.setattr(case_search, "embed_cases", dies)
    with pytest.raises(Crash):
        desk.run([wanted])
    results = Results(desk.results, S3Spec())
    [found] = [each for each in survey(results) if isinstance(each, StoredSearch)]
    assert found.keys == ("request.json",)
    asked = find_request(results.folder(found.search_id))
    assert asked is not None
    assert (asked.search_id, asked.request.case_id) == (found.search_id, "a")
    assert (found.about.case, found.state.is_finished) == (case_digest("a"), False)
    assert found.state.pending_until == deadline
