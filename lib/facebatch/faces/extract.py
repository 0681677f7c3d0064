"""Images to rows and rejects: decode, detect, align, embed. No input or output, no clock in the result."""

import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace

from facebatch.faces.align import align
from facebatch.faces.directions import NOTHING_SETTLED, Directions, Point
from facebatch.faces.embed import CropBatches
from facebatch.faces.gate import poor_picture
from facebatch.faces.models import Detector, ModelCard, Recogniser
from facebatch.faces.quality import assess
from facebatch.faces.recognizability import Centroid
from facebatch.faces.rows import AlignedFace, Examined, Extraction, ShardFacts, assemble
from facebatch.faces.select import MODEL_ERROR, RejectedFace, select
from facebatch.faces.settings import FaceSpec
from facebatch.images.decode import decode
from facebatch.images.records import DecodedImage, EncodedImage, Reject
from facebatch.images.source import DecodeSpec
from facebatch.schemas import Outcome


@dataclass(frozen=True, slots=True)
class Extractor:
    """Turns the images of one shard into its tables. Not for use by several threads at once."""

    card: ModelCard
    detector: Detector
    recogniser: Recogniser
    faces: FaceSpec
    decode: DecodeSpec
    batch: int
    """Crops per call of the recogniser, composed across images in the order of the shard."""
    decode_threads: int = 2
    """Images decoded ahead, twice this many at most. Changes speed and memory, never a result."""
    centroid: Centroid | None = None
    """Of the model; None: recognizability is not measured."""

    def extract(
        self, images: Iterable[EncodedImage | Reject], shard_uri: str, directions: Directions = NOTHING_SETTLED
    ) -> Extraction:
        """One ledger row per item of `images`; an image_id seen before becomes a reject, the first one counts. An image
        that `directions` refuse is not decoded.

        `images` is read lazily. Only crops waiting for their batch and the look-ahead hold pixels. Raises what the
        networks raise; a face that cannot be embedded is a row, not an error.
        """
        batches = CropBatches(self.recogniser, self.batch)
        items: list[Examined | Reject] = []
        with closing(self._decoded(_without_refused(_without_duplicates(images), directions))) as stream:
            for decoded, decode_ms in stream:
                if isinstance(decoded, Reject):
                    items.append(decoded)
                else:
                    point = directions.point(decoded.source.image_id)
                    items.append(self._examine(decoded, decode_ms, batches, point))
        facts = ShardFacts(shard_uri, self.card.fingerprint, self.card.dim, self.centroid, self.faces.gate)
        return assemble(items, batches.finish(), facts)

    def _examine(self, decoded: DecodedImage, decode_ms: float, batches: CropBatches, point: Point | None) -> Examined:
        started = time.perf_counter()
        selection = select(self.detector.detect(decoded.pixels), self.faces, point)
        detected = time.perf_counter()
        aligned: list[AlignedFace] = []
        rejected = list(selection.rejected)
        align_s = 0.0
        for face in selection.kept:
            before = time.perf_counter()
            crop = align(decoded.pixels, face.landmarks, self.recogniser.input_size)
            if crop is None:
                rejected.append(RejectedFace(face.box, MODEL_ERROR))
                continue
            quality = assess(crop, face.landmarks, face.score)
            reason = poor_picture(quality, face.landmarks, self.faces.gate)
            align_s += time.perf_counter() - before
            if reason is not None:
                rejected.append(RejectedFace(face.box, reason))
                continue
            aligned.append(AlignedFace(face, quality))
            batches.add(crop)
        return Examined(
            source=replace(decoded.source, data=b""),
            width=decoded.pixels.shape[1],
            height=decoded.pixels.shape[0],
            note=decoded.note,
            faces=tuple(aligned),
            rejected=tuple(rejected),
            decode_ms=decode_ms,
            detect_ms=(detected - started) * 1000.0,
            align_ms=align_s * 1000.0,
            refusal=selection.refusal,
        )

    def _decoded(
        self, images: Iterable[EncodedImage | Reject]
    ) -> Generator[tuple[DecodedImage | Reject, float], None, None]:
        """Items in order with the milliseconds their decoding took, decoded in threads a bounded way ahead."""
        window: deque[Future[tuple[DecodedImage | Reject, float]]] = deque()
        pool = ThreadPoolExecutor(self.decode_threads, thread_name_prefix="decode")
        try:
            for item in images:
                window.append(pool.submit(_timed_decode, item, self.decode))
                if len(window) >= 2 * self.decode_threads:
                    yield window.popleft().result()
            while window:
                yield window.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _timed_decode(item: EncodedImage | Reject, spec: DecodeSpec) -> tuple[DecodedImage | Reject, float]:
    if isinstance(item, Reject):
        return item, 0.0
    started = time.perf_counter()
    decoded = decode(item, spec)
    return decoded, (time.perf_counter() - started) * 1000.0


def _without_duplicates(images: Iterable[EncodedImage | Reject]) -> Iterator[EncodedImage | Reject]:
    seen: set[str] = set()
    for item in images:
        if isinstance(item, EncodedImage) and item.image_id in seen:
            reason = f"image_id {item.image_id!r} is already in this shard; the first one counts"
            yield Reject(item.image_id, item.member, Outcome.DUPLICATE_MEMBER, reason, item.sha256)
        else:
            seen.add(item.image_id)
            yield item


def _without_refused(
    images: Iterable[EncodedImage | Reject], directions: Directions
) -> Iterator[EncodedImage | Reject]:
    for item in images:
        reason = directions.refusal(item.image_id) if isinstance(item, EncodedImage) else None
        if reason is None:
            yield item
        else:
            yield Reject(item.image_id, item.member, Outcome.REFUSED, reason, item.sha256)
