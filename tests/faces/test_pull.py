"""Pulling packs from a server on loopback that serves stand-in files, over real sockets."""

import gc
import hashlib
import io
import json
import socket
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from insightface.utils import storage

from facebatch.errors import ConfigError, ForbiddenError, ModelPackError, RetryableError
from facebatch.faces.catalogue import OFFICIAL, OfficialPack, RemoteFile
from facebatch.faces.open import open_models
from facebatch.faces.packs import CardSpec, load_card
from facebatch.faces.pull import pull
from facebatch.faces.settings import FaceSpec, ModelSpec
from facebatch.spec import parse
from faces.networks import SFACE, YUNET_OUTPUTS, write_detector, write_recogniser


class Server:
    """What is served by path: (status, headers, body); counts the requests."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.requests: list[str] = []
        self.base = ""

    def serve(self, path: str, body: bytes, status: int = 200, **headers: str) -> None:
        self.answers[path] = (status, {"Content-Length": str(len(body)), **headers}, body)


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests.append(self.path)
            status, headers, body = state.answers.get(self.path, (404, {"Content-Length": "0"}, b""))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Silent."""

    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    state.base = f"http://127.0.0.1:{httpd.server_port}"
    yield state
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def remote(file: Path) -> RemoteFile:
    data = file.read_bytes()
    return RemoteFile(file.name, len(data), hashlib.sha256(data).hexdigest())


@pytest.fixture
def pack(tmp_path, server) -> OfficialPack:
    """A catalogue entry whose two files are on the server."""
    source = tmp_path / "publisher"
    source.mkdir()
    detector = write_detector(source / "yunet.onnx", YUNET_OUTPUTS)
    recogniser = write_recogniser(source / "sface.onnx", batch=1)
    for file in (detector, recogniser):
        server.serve(f"/tiny/{file.name}", file.read_bytes())
    return OfficialPack(
        name="tiny",
        publisher="Tests",
        licence="MIT",
        research_only=False,
        terms="MIT\n\nThe terms of tiny.\n",
        detection=remote(detector),
        recognition=remote(recogniser),
        tasks={
            "detection": {"preprocessing_version": "opencv-yunet-1"},
            "recognition": {**SFACE, "embedding_dimension": 128},
        },
    )


@pytest.fixture
def get(pack, server, tmp_path):
    """Pull `pack`, or a changed one, from the server into `tmp_path / models`."""

    def call(entry=pack, accept=True, mirror=server.base):
        return pull("tiny", tmp_path / "models", accept, catalogue={"tiny": entry}, mirror=mirror)

    return call


def left_behind(tmp_path) -> list[str]:
    folder = tmp_path / "models"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_pulled_pack_can_be_opened(get, pack, tmp_path):
    card = get()
    assert left_behind(tmp_path) == ["tiny"]
    folder = tmp_path / "models" / "tiny"
    assert sorted(path.name for path in folder.iterdir()) == [
        "MODEL.LICENSE",
        "card.json",
        "manifest.json",
        "sface.onnx",
        "yunet.onnx",
    ]
    assert (folder / "MODEL.LICENSE").read_text() == pack.terms
    assert card == load_card(folder)
    assert (card.name, card.dim, card.detector.layout, card.recogniser.layout) == ("tiny", 128, "yunet", "sface")
    assert (card.licence, card.research_only) == ("MIT", False)
    opened, _, recogniser = open_models(ModelSpec(pack=str(folder)), FaceSpec())
    assert (opened, recogniser.dim) == (card, 128)


def test_a_second_pull_downloads_nothing(get, server):
    first = get()
    asked = len(server.requests)
    assert get() == first
    assert len(server.requests) == asked == 2


def test_the_mirror_may_come_from_the_environment(get, server, monkeypatch):
    monkeypatch.setenv("FACEBATCH_MODEL_MIRROR", server.base + "/")
    assert get(mirror=None).name == "tiny"


def test_the_publishers_addresses_are_tried_in_order(get, pack, server):
    def with_urls(file):
        return replace(file, urls=(f"{server.base}/missing", f"{server.base}/tiny/{file.name}"))

    get(replace(pack, detection=with_urls(pack.detection), recognition=with_urls(pack.recognition)), mirror=None)
    assert server.requests.count("/missing") == 2


def test_terms_are_shown_and_nothing_is_asked_of_the_server_before_they_are_accepted(get, server, tmp_path):
    with pytest.raises(ForbiddenError, match=r"(?s)The terms of tiny.*--accept-licence"):
        get(accept=False)
    assert server.requests == []
    assert left_behind(tmp_path) == []


def test_an_unknown_name_lists_the_known_ones(tmp_path):
    with pytest.raises(ModelPackError, match=r"'nope' is not an official pack; known: buffalo_l.*opencv_yunet_sface"):
        pull("nope", tmp_path, True)


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lambda data: (data[:-1] + b"\0", {}), ModelPackError, r"has sha256 [0-9a-f]{64}, expected [0-9a-f]{64}"),
        (lambda data: (data + b"\0", {}), ModelPackError, r"is larger than the \d+ bytes expected"),
        (lambda data: (data[:100], {}), RetryableError, r"ended after 100 of \d+ bytes"),
        (lambda data: (data[:100], {"Content-Length": str(len(data))}), RetryableError, r"sface\.onnx"),
        (lambda data: (b"", {"status": "404"}), ModelPackError, "answered 404"),
        (lambda data: (b"", {"status": "503"}), RetryableError, "answered 503"),
        (lambda data: (b"", {"status": "302", "Location": "ftp://127.0.0.1/x"}), ModelPackError, "which is not https"),
    ],
)
def test_what_is_wrong_with_a_download_is_one_line_and_leaves_nothing(get, server, tmp_path, spoil, error, message):
    data, headers = spoil(server.answers["/tiny/sface.onnx"][2])
    server.serve("/tiny/sface.onnx", data, int(headers.pop("status", "200")), **headers)
    with pytest.raises(error, match=message) as caught:
        get()
    assert "\n" not in str(caught.value)
    assert left_behind(tmp_path) == []


def test_redirects_to_the_same_kind_of_address_are_followed(get, server):
    server.serve("/elsewhere", server.answers["/tiny/sface.onnx"][2])
    server.serve("/tiny/sface.onnx", b"", 302, Location="/elsewhere")
    assert get().name == "tiny"
    assert server.requests[-1] == "/elsewhere"


def test_no_network_is_one_line(get, tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(RetryableError, match=r"cannot be downloaded: .*refused.*; check the network") as caught:
        get(mirror=f"http://127.0.0.1:{port}")
    assert "\n" not in str(caught.value)
    assert left_behind(tmp_path) == []


def test_a_mirror_must_be_http(get):
    with pytest.raises(ConfigError, match="neither https nor http"):
        get(mirror="file:///etc")


def test_an_altered_pack_is_not_trusted_and_not_replaced(get, tmp_path):
    get()
    altered = tmp_path / "models" / "tiny" / "sface.onnx"
    altered.write_bytes(b"altered")
    with pytest.raises(ModelPackError, match=r"exists but is not usable .* remove it and pull again"):
        get()
    assert altered.read_bytes() == b"altered"


def test_another_pack_of_the_same_name_is_named(get, pack):
    get()
    with pytest.raises(ModelPackError, match="holds other files than tiny"):
        get(replace(pack, detection=replace(pack.detection, sha256="0" * 64)))


@pytest.fixture
def buffalo(pack, server, monkeypatch, tmp_path) -> OfficialPack:
    """The same two files, but in an archive as insightface's publisher has them."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        for name in ("yunet.onnx", "sface.onnx"):
            packed.writestr(f"tiny/{name}", server.answers[f"/tiny/{name}"][2])
        packed.writestr("tiny/genderage.onnx", b"not wanted")
    server.serve("/releases/tiny.zip", archive.getvalue())
    monkeypatch.setattr(storage, "MODEL_ZOO_RELEASE_DOWNLOAD_URL", f"{server.base}/releases/")
    return replace(pack, source="insightface", research_only=True, terms="For non-commercial research only.\n")


def test_insightfaces_archives_come_through_its_own_downloader(get, buffalo, tmp_path):
    card = get(buffalo, mirror=None)
    assert card.research_only
    files = {path.name for path in (tmp_path / "models" / "tiny").iterdir()}
    assert files == {"yunet.onnx", "sface.onnx", "manifest.json", "card.json", "MODEL.LICENSE"}
    with pytest.raises(ForbiddenError, match="accept_research_only"):
        open_models(ModelSpec(pack=str(tmp_path / "models" / "tiny")), FaceSpec())


@pytest.mark.parametrize(
    ("body", "status", "error", "message"),
    [
        (b"no archive", 200, ModelPackError, "could not install tiny: File is not a zip file"),
        (b"", 404, ModelPackError, "could not install tiny: Failed downloading"),
        (b"PK\x05\x06" + bytes(18), 200, ModelPackError, r"holds no yunet\.onnx"),
    ],
)
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_a_bad_archive_is_one_line_and_leaves_nothing(get, buffalo, server, tmp_path, body, status, error, message):
    server.serve("/releases/tiny.zip", body, status)
    with pytest.raises(error, match=message) as caught:
        get(buffalo, mirror=None)
    assert "\n" not in str(caught.value)
    assert left_behind(tmp_path) == []
    del caught
    gc.collect()  # insightface leaves its socket open after a 404; collect it while the warning is expected


def test_an_archive_with_other_weights_is_refused(get, buffalo, tmp_path):
    other = replace(buffalo, recognition=replace(buffalo.recognition, sha256="0" * 64))
    with pytest.raises(ModelPackError, match="SHA-256 mismatch"):
        get(other, mirror=None)
    assert left_behind(tmp_path) == []


def test_insightfaces_downloader_knows_no_mirror(get, buffalo, server):
    with pytest.raises(ConfigError, match="knows no mirror"):
        get(buffalo)
    assert server.requests == []


@pytest.mark.parametrize("entry", OFFICIAL.values(), ids=OFFICIAL)
def test_official_entries_are_complete(entry):
    manifest = entry.manifest()
    assert parse(CardSpec, entry.card(), origin=entry.name).research_only is entry.name.startswith("buffalo")
    assert entry.terms.startswith(entry.licence)
    for file in entry.files:
        assert len(file.sha256) == 64
        assert file.size > 100_000
        assert all(url.startswith("https://") and url.endswith(file.name) for url in file.urls)
        assert bool(file.urls) is (entry.source == "urls")
    assert json.loads(json.dumps(manifest)) == manifest
    assert [manifest["tasks"][task]["sha256"] for task in ("detection", "recognition")] == [
        file.sha256 for file in entry.files
    ]


@pytest.mark.integration
def test_the_recorded_digest_is_that_of_the_published_yunet(models_dir):
    data = (models_dir / "yunet_2023mar" / "face_detection_yunet_2023mar.onnx").read_bytes()
    recorded = OFFICIAL["opencv_yunet_sface"].detection
    assert (len(data), hashlib.sha256(data).hexdigest()) == (recorded.size, recorded.sha256)
