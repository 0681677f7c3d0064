from servers.s3 import ceph, moto

__all__ = ["ceph", "moto"]
