"""What a gallery keeps of people beside their templates: the keys of their pseudonyms in the audit chain."""

from concurrent.futures import ThreadPoolExecutor

from facebatch.gallery.orders import read_orders
from facebatch.gallery.snapshots import Snapshot
from facebatch.governance import pseudonyms
from facebatch.storage import layout
from facebatch.storage.store import ObjectStore

DESTROYED_AT_ONCE = 16


def forget(store: ObjectStore, head: Snapshot) -> int:
    """Destroy the keys of all subjects who were erased by request, those of earlier requests too: a run may have been
    killed after it published. How many there were; one request per subject where any key is left, else one.
    """
    if next(iter(store.list(layout.AUDIT_KEYS)), None) is None:
        return 0
    people = read_orders(store, head.orders).of("subject")
    with ThreadPoolExecutor(DESTROYED_AT_ONCE) as pool:
        return sum(pool.map(lambda name: pseudonyms.destroy(store, "subject", name), people))
