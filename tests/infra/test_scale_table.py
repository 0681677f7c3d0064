"""The table of large searches in the README is what the program says."""

import pytest

from facebatch.pipelines.plan_match import PlanMatchConfig, run
from infra.tree import ROOT

README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize(("probes", "gallery"), [(100_000, 10_000_000), (1_000_000, 100_000_000)])
def test_a_row_of_the_table(probes: int, gallery: int) -> None:
    found = run(PlanMatchConfig(probes=probes, gallery=gallery, cores=64)).estimate
    title = f"| {probes:.0e} probes x {gallery:.0e} templates |".replace("e+0", "e")
    (row,) = (line for line in README.splitlines() if line.startswith(title))
    scan, waiting, merge, hours, memory, read, requests = (cell.strip() for cell in row.split("|")[2:-1])
    effort, traffic = found.effort, found.traffic
    told = {"scan": scan, "waiting": waiting, "merge": merge, "hours": hours, "memory": memory, "read": read}
    seconds = {"scan": effort.scan, "waiting": effort.wait, "merge": effort.merge, "hours": found.seconds}
    values = {name: value / 3600 for name, value in seconds.items()}
    values |= {"memory": found.memory_per_worker / 1e9, "read": traffic.segments_read / 1e12}
    for name, cell in told.items():
        number = cell.split()[0]
        places = len(number.partition(".")[2])
        assert number == f"{values[name]:.{places}f}", name
    put, get = (int(count.replace(" ", "")) for count in requests.split(","))
    assert (put, get) == (traffic.requests.put, traffic.requests.get)
