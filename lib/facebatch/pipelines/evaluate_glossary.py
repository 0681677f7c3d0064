"""The field's terms as the report of an evaluation explains them."""

from typing import Final

GLOSSARY: Final = (
    ("Gallery", "The enrolled people that are searched. N is how many."),
    ("Template", "The numbers that a model makes of one face; two templates are compared, never two photos."),
    ("Similarity", "How alike two templates are, from \N{MINUS SIGN}1 to 1. It is no probability of anything."),
    ("Threshold, T", "A candidate counts when its similarity is at or above this number."),
    ("Search", "One photo of one person (the probe) put to the whole gallery."),
    ("Candidate, list", "A person of the gallery whom a search brings up; the list holds the L most similar ones."),
    ("Mate", "The gallery's entry of the very person who is searched."),
    ("Mated search", "Of a person who is in the gallery. Non-mated: of a person who is not."),
    ("FNIR(N, R, T): miss", "Share of mated searches whose mate is not among the first R candidates at or above T."),
    ("FPIR(N, T): false alarm", "Share of non-mated searches that list anybody at or above T."),
    ("Rank-one miss", "FNIR(N, 1) without a threshold: the first candidate is not the mate."),
    ("CMC(R)", "Share of mated searches whose mate is among the first R candidates, without a threshold."),
    ("Selectivity", "Mean number of false candidates of a non-mated search: what people have to reject."),
    ("FMR: false match", "Share of comparisons of two different people at or above T. One search is N comparisons."),
    ("FNMR: false non-match", "Share of comparisons of two photos of one person that are below T."),
    (
        "Quality",
        "A number from 0 to 100 that the system gives the picture of a face: size, sharpness, light, pose and the "
        "like. It says nothing about the person.",
    ),
    (
        "Quality band",
        "Pictures of about one quality: A good, B fair, C poor, D too poor to be searched. Each has a threshold of its "
        "own, so that false alarms are equally rare in all of them.",
    ),
    ("FTE, FTX", "Failure to enrol, failure to extract: photos of the gallery, or searched, that gave no template."),
    (
        "95 % interval",
        "If the evaluation were made again with other people from the same source, about 95 of 100 such intervals "
        "would hold the true rate. People are drawn, not photos, because photos of one person err together.",
    ),
    (
        "Rule of three",
        "Where no case was seen among n, the true rate may still be as high as 3 / n; that bound stands after <.",
    ),
    ("Rough", "Fewer than 30 cases were seen, so that the true rate may well differ by more than a third."),
    (
        "Too few",
        "A group has fewer people, or fewer errors to be expected, than a number of its own needs. It is not a good "
        "sign and not a bad one: nothing is known.",
    ),
)
"""Term and meaning."""
