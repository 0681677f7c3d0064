"""Face templates, galleries and bulk cross-matches as resumable batch jobs. Leads, never identifications."""

__version__ = "0.1.0"
