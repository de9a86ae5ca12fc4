"""Merging the results of several models."""
