"""Cases: what is looked for, in which media, and how good those are."""
