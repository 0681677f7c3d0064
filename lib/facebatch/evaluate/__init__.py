"""Accuracy of this installation: model, gallery and probes together, on what `match` returned."""
