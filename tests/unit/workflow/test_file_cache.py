"""Copies of remote artifacts: found by their content, few enough, never in the way."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import pytest

from rollforward.workflow.file_cache import FileCache, cache_dir, clear_cache


def kept(cache, content, tmp_path):
    sha256 = hashlib.sha256(content).hexdigest()
    source = tmp_path / "downloaded"
    source.write_bytes(content)
    with source.open("rb") as file:
        file.seek(2)
        cache.keep(sha256, file)
    return sha256


def content_of(cache, sha256):
    file = cache.open(sha256)
    if file is None:
        return None
    with file:
        return file.read()


def copies():
    return sorted(path.name for path in cache_dir().glob("??/*"))


def test_a_content_is_found_again(tmp_path):
    cache = FileCache()
    sha256 = kept(cache, b"content", tmp_path)
    assert content_of(FileCache(), sha256) == b"content"
    cache.drop(sha256)
    assert content_of(cache, sha256) is None
    cache.drop(sha256)


def test_the_folder_is_the_users_and_for_no_one_else(tmp_path, monkeypatch):
    kept(FileCache(), b"content", tmp_path)
    assert cache_dir() == tmp_path / "cache" / "rollforward" / "artifacts"
    assert cache_dir().stat().st_mode & 0o077 == 0
    monkeypatch.setenv("ROLLFORWARD_CACHE_DIR", str(tmp_path / "elsewhere"))
    assert cache_dir() == tmp_path / "elsewhere"
    monkeypatch.delenv("ROLLFORWARD_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_dir() == tmp_path / "home" / ".cache" / "rollforward" / "artifacts"


def test_the_variable_is_no_unknown_setting(tmp_path, monkeypatch):
    from rollforward import settings

    monkeypatch.setenv("ROLLFORWARD_CACHE_DIR", str(tmp_path / "elsewhere"))
    assert settings.init().experiment == "Experiment"


@pytest.mark.parametrize("sha256", ["", "../../secret", "A" * 64, "a" * 63 + "/"])
def test_a_hash_that_is_none_leads_nowhere(sha256, tmp_path):
    """It comes from a store, and becomes the name of a file."""
    cache = FileCache()
    (tmp_path / "source").write_bytes(b"content")
    with (tmp_path / "source").open("rb") as file:
        cache.keep(sha256, file)
    assert cache.open(sha256) is None
    cache.drop(sha256)
    assert not cache_dir().exists()


def test_what_was_not_used_for_longest_makes_room(tmp_path):
    cache = FileCache(limit=1000)
    first, second, third = (kept(cache, bytes([n]) * 300, tmp_path) for n in range(3))
    for age, sha256 in ((300, first), (200, second), (100, third)):
        path = cache_dir() / sha256[:2] / sha256
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - age))
    assert content_of(cache, first) is not None  # used: the second is now the oldest
    fourth = kept(cache, b"x" * 300, tmp_path)
    kept(cache, b"y" * 300, tmp_path)
    assert content_of(cache, second) is None
    assert content_of(cache, first) is not None
    assert content_of(cache, fourth) is not None
    assert sum(path.stat().st_size for path in cache_dir().glob("??/*")) <= 1000


def test_one_that_would_fill_it_alone_is_not_kept(tmp_path):
    cache = FileCache(limit=10)
    assert content_of(cache, kept(cache, b"x" * 11, tmp_path)) is None


def test_half_files_of_processes_that_died_are_removed(tmp_path):
    cache = FileCache(limit=1000)
    sha256 = kept(cache, b"content", tmp_path)
    old, new = (cache_dir() / sha256[:2] / f".{n}.tmp" for n in range(2))
    for path, age in ((old, 2 * 24 * 3600), (new, 0)):
        path.write_bytes(b"half")
        os.utime(path, (0, path.stat().st_mtime - age))
    assert clear_cache() == len(b"content")
    assert copies() == [new.name]


def test_clearing_says_what_was_freed(tmp_path):
    assert clear_cache() == 0
    cache = FileCache()
    for n in range(3):
        kept(cache, bytes([n]) * 100, tmp_path)
    assert clear_cache() == 300
    assert copies() == []


def test_a_folder_that_cannot_be_written_is_no_failure(tmp_path):
    blocked = tmp_path / "cache"
    blocked.write_text("a file where the folder should be")
    cache = FileCache()
    sha256 = kept(cache, b"content", tmp_path)
    assert cache.open(sha256) is None
    assert clear_cache() == 0


def test_many_threads_keep_and_find_the_same(tmp_path):
    cache, failures = FileCache(limit=4000), []
    contents = [bytes([n]) * 100 for n in range(60)]
    for n, content in enumerate(contents):
        (tmp_path / str(n)).write_bytes(content)

    def work():
        for n, content in enumerate(contents):
            sha256 = hashlib.sha256(content).hexdigest()
            with Path(tmp_path / str(n)).open("rb") as file:
                cache.keep(sha256, file)
            if content_of(cache, sha256) not in (content, None):
                failures.append(n)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
