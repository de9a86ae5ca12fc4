"""The plots of a report, one file per subject; `canvas` is what they have in common."""
