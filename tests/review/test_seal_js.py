"""The page's own code seals as the package checks: run by Node, whose WebCrypto and JSON are those of a browser."""

import importlib.resources
import json
import os
import shutil
import subprocess
from typing import Any

import pytest

from facebatch.review.blinding import blind
from facebatch.review.signatures import check_sealed, read_sealed, sheet_key
from reviewed import SECRET, case, finished, pair
from sealed_vectors import VECTORS, vector_sheet

pytestmark = pytest.mark.integration

SOURCE = importlib.resources.files("facebatch.review").joinpath("seal.js").read_text()
LISTS = case()
FIRST = pair(LISTS)[0]


def run(code: str, given: Any) -> Any:
    """What `code` makes of `given`, both as JSON."""
    node = shutil.which("node")
    if node is None:
        message = "node is not installed; install Node 18 or later to run the page's code"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    script = (
        "globalThis.crypto ??= require('node:crypto').webcrypto;\n"
        f"{SOURCE}\n(async () => {{ const given = JSON.parse(require('fs').readFileSync(0, 'utf8'));\n"
        f"process.stdout.write(JSON.stringify(await ({code})(given))); }})();"
    )
    done = subprocess.run([node, "-e", script], input=json.dumps(given).encode(), capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_vectors() -> None:
    files = run(
        "async (all) => Promise.all(all.map(([sheet, key]) => sealSheet(sheet, key)))",
        [[vector_sheet(vector), vector.key] for vector in VECTORS],
    )
    assert [json.loads(text)["seal"] for text in files] == [vector.seal for vector in VECTORS]
    assert [json.loads(text)["sheet"] for text in files] == [vector_sheet(vector) for vector in VECTORS]


def test_what_the_page_saves_is_imported_whatever_was_typed() -> None:
    typed = "".join(map(chr, range(0x180))) + "\r\n\u2028\ufeff中\U0001f600" + "\ud800" + "x\udc00"
    blank = finished(blind(LISTS, FIRST, SECRET), {"1": "B"}).model_dump(mode="json")
    text = run(
        """async ([sheet, key, typed]) => {
             sheet.findings = sheet.findings.map((finding) => ({ ...finding, note: cleanNote(typed) }));
             sheet.finished_at = new Date(sheet.finished_at).toISOString();
             return sealSheet(sheet, key);
           }""",
        [blank, sheet_key(SECRET, FIRST.assignment).hex(), typed],
    )
    sealed = read_sealed(text.encode(), origin="saved.json")
    check_sealed(sealed, FIRST, SECRET, origin="saved.json")
    note = sealed.sheet.findings[0].note
    assert note.endswith("\u017f\n\u2028\ufeff中\U0001f600\ufffdx\ufffd")
    assert "\t\n\n !" in note


@pytest.mark.parametrize("value", [1, 0.5, True])
def test_a_sheet_with_numbers_is_not_sealed(value: object) -> None:
    told = run(
        "async ([value, key]) => sealSheet({ value }, key).catch((error) => error.name)",
        [value, "00" * 32],
    )
    assert told == "TypeError"
