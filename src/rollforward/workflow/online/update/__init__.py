"""Keeping what runs hold up to date: predictions of new sessions, and labels that have become known."""

from rollforward.workflow.online.update.loader import RMDLoader
from rollforward.workflow.online.update.many import Update, update_many
from rollforward.workflow.online.update.updaters import DSBasedUpdater, LabelUpdater, PredUpdater, RecordUpdater

__all__ = [
    "DSBasedUpdater",
    "LabelUpdater",
    "PredUpdater",
    "RMDLoader",
    "RecordUpdater",
    "Update",
    "update_many",
]
