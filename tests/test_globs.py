"""Patterns over names, held against the standard library's."""

from __future__ import annotations

from fnmatch import fnmatchcase

from hypothesis import given
from hypothesis import strategies as st

from dockerfix.globs import fits

TEXTS = st.text(alphabet="ab.*?[!]-\n", max_size=6)


@given(name=TEXTS, glob=TEXTS)
def test_a_glob_means_what_it_means_to_fnmatch(name: str, glob: str) -> None:
    assert fits(name, glob) is fnmatchcase(name, glob)
    assert fits(f"x{name}", f"*{glob}") is fnmatchcase(f"x{name}", f"*{glob}")
    assert fits(f"{name}x", f"{glob}*") is fnmatchcase(f"{name}x", f"{glob}*")


def test_a_folder_name_in_the_middle_and_a_name_alone() -> None:
    assert fits("a/secrets/b", "*secret*")
    assert not fits("a/Secrets/b", "*secret*")
    assert fits(".npmrc", ".npmrc")
    assert not fits("x.npmrc", ".npmrc")
