"""The kernels of a path are loaded before the first scan, all of them, and only where a scan would take them."""

import subprocess
import sys
from pathlib import Path

import pytest

from facebatch.errors import StopError
from facebatch.match.kernel_paths import available_paths
from facebatch.match.scanner import SMALL, load_kernels
from facebatch.match.settings import MatchSpec

TESTS = Path(__file__).parent.parent

COMPILED = """
import sys
import numpy as np
from synthetic import unit
from facebatch.match import kernel_integer, kernel_lists, kernel_portable
from facebatch.match.codes import from_buffer, to_bytes
from facebatch.match.quantise import pack
from facebatch.match.scan import Gallery, Limits
from facebatch.match.scanner import load_kernels, open_scanner
from facebatch.match.settings import MatchSpec
from numba.core.dispatcher import Dispatcher

def variants():
    modules = (kernel_integer, kernel_lists, kernel_portable)
    return {
        (name, signature)
        for module in modules
        for name, found in vars(module).items()
        if isinstance(found, Dispatcher)
        for signature in found.signatures
    }

spec = MatchSpec(length=3, path=sys.argv[1])
load_kernels(spec, 1)
loaded = variants()
rows = 40_000  # so many that a cut is guessed
vectors = unit(np.random.default_rng(1).standard_normal((rows, 8)))
stored = np.frombuffer(to_bytes(pack(vectors)), np.uint8)
live = np.arange(rows) % 7 > 0
for codes in (None, stored):
    for count in (1, 40):
        for limits in (Limits(), Limits(cut=np.full(count, 0.5, np.float32))):
            scan = open_scanner(Gallery(vectors, np.arange(rows), np.arange(rows), live), codes, spec, origin="x")
            probes = vectors[:count].copy()
            scan(probes, limits)
            probes.flags.writeable = False
            assert len(scan(probes, limits).row)
print(len(loaded), len(variants() - loaded))
"""

LOADED = """
import sys
from facebatch.match.scanner import load_kernels
from facebatch.match.settings import MatchSpec
load_kernels(MatchSpec(path=sys.argv[1], probe_block=int(sys.argv[2])), int(sys.argv[3]))
print("numba" in sys.modules)
"""


def printed(script: str, *arguments: object) -> str:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("path", available_paths())
def test_no_scan_compiles_or_loads_what_was_not_loaded_before(path: str) -> None:
    loaded, more = map(int, printed(COMPILED, path).split())
    assert loaded > 0
    assert more == 0


@pytest.mark.parametrize(
    ("path", "values", "loads"),
    [("plain", SMALL, False), ("auto", SMALL // 100 - 1, False), ("auto", SMALL // 100 + 1, bool(available_paths()))],
)
def test_the_compiler_is_loaded_only_where_kernels_will_scan(path: str, values: int, loads: bool) -> None:
    assert printed(LOADED, path, 100, values) == str(loads)


def test_a_path_that_this_cpu_does_not_have_is_refused() -> None:
    with pytest.raises(StopError, match="'mmx' is not available on this CPU"):
        load_kernels(MatchSpec.model_construct(path="mmx", probe_block=None), 1)
