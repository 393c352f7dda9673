"""Hypothesis strategies for Dockerfiles, and the profiles: HYPOTHESIS_PROFILE=long fuzzes."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

settings.register_profile(
    "short", max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "long", max_examples=50_000, deadline=None, suppress_health_check=list(HealthCheck)
)
PROFILE = settings.get_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))

PIECES = [
    b"FROM ", b"RUN ", b"ENV ", b"ARG ", b"COPY ", b"ADD ", b"ONBUILD ", b"LABEL ", b"CMD ",
    b"HEALTHCHECK ", b"SHELL ", b"VOLUME ", b"USER ", b"from x\n", b"FROM x AS y\n", b"NONE", b"AS ",
    b"\n", b"\n", b"\n", b"\r\n", b"\r", b"\\\n", b"\\ \t\n", b"`\n", b"\\", b"`", b"#", b"# c\n",
    b"# escape=`\n", b"# syntax=x\n", b"#!/bin/sh\n", b"--mount=", b"--from=a", b"--", b"--x ",
    b"type=secret", b"id=a", b",", b"=", b'"', b"'", b"<<E", b"<<-E", b"<< 'E'", b"\nE\n", b"\n\tE\n",
    b"[", b"]", b"{", b"}", b'"a"', b'"\\u00e9\\n"', b"1e5", b"null", b" ", b"  ", b"\t", b"\x0b",
    b"a", b"b=c", b"$X", b"${X:-", b"${X/a/b}", b"\xc2\xa0", b"\xe2\x80\xa8", b"\xff", b"\xa0", b"\x85",
    b"\0", b"\xef\xbb\xbf", b"\xc3\xa9",
]  # fmt: skip
SCRAPS = st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join)
"""Bytes that look like Dockerfiles gone wrong."""

BREAKS = [
    b" ", b" ", b" ", b"  ", b"\t", b" \\\n", b" \\\n    ", b" \\\n# note\n  ", b" \\ \n\n  ", b"\\\n\\\n ",
]  # fmt: skip
GAP = st.sampled_from(BREAKS)
NAME = st.sampled_from([b"A", b"B_1", b"token", b"PATH", b'"k"'])
VALUE = st.sampled_from(
    [b"", b"1", b"a.b/c", b'"a b"', b"'#x'", b"x\\ y", b"${B:-c}", b'"\\""', b"\xc3\xa9", b"<<E"]
)
PAIR = st.builds(lambda name, value: name + b"=" + value, NAME, VALUE)
FLAG = st.sampled_from(
    [
        b"--mount=type=secret,id=a,env=A", b"--mount=type=cache,target=/c", b"--network=none",
        b'--mount=type=secret,"id=a,b"', b"--mount='type=secret,\"id=a,b\"'", b"--new-flag",
        b"--mount=type=bind,\\\nsource=x", b"--",
    ]
)  # fmt: skip
COMMAND = st.sampled_from(
    [
        b"echo hi", b"a && \\\n  b", b'["a", "b\\n"]', b"[ -f x ] && y", b"echo 'it''s' # c", b"x <y",
        b"a | \\\n  # note\n\n  b", b"echo $((1<<2))",
    ]
)  # fmt: skip
WORDS = st.lists(st.sampled_from([b"a", b"./b", b"/c d", b"$D", b"*.e"]), min_size=2, max_size=4)


@st.composite
def listed(draw: st.DrawFn, keyword: bytes, members: st.SearchStrategy[bytes]) -> bytes:
    found = draw(st.lists(members, min_size=1, max_size=4))
    return keyword + b"".join(draw(GAP) + member for member in found)


@st.composite
def run(draw: st.DrawFn) -> bytes:
    flags = b"".join(draw(GAP) + flag for flag in draw(st.lists(FLAG, max_size=3)))
    return draw(st.sampled_from([b"RUN", b"run", b"CMD"])) + flags + draw(GAP) + draw(COMMAND)


@st.composite
def heredoc(draw: st.DrawFn) -> bytes:
    opener = draw(
        st.sampled_from([b"<<E", b"<<'E'", b"<<-E", b"3<<E cat", b"cat << E", b"<<E\\\n x"])
    )
    body = draw(st.sampled_from([b"", b"x\n", b"# c\n\nFROM y\\\n", b"$X\r\n", b"\tE x\n"]))
    return draw(st.sampled_from([b"RUN ", b"ONBUILD RUN "])) + opener + b"\n" + body + b"E"


INSTRUCTION = st.one_of(
    st.sampled_from([b"FROM x", b"FROM --platform=$P x:1 AS build", b"from a as b", b"FROM a b"]),
    listed(b"ARG", st.one_of(NAME, PAIR)),
    listed(b"ENV", PAIR),
    listed(b"Label", PAIR),
    st.builds(lambda name, gap, value: b"ENV " + name + gap + b"x " + value, NAME, GAP, VALUE),
    run(),
    heredoc(),
    WORDS.map(lambda words: b"COPY --from=a " + b" ".join(words)),
    WORDS.map(lambda words: b"ADD [" + b", ".join(b'"%b"' % word for word in words) + b"]"),
    st.sampled_from(
        [
            b"USER 1000", b"WORKDIR /a b", b"EXPOSE 1 2/udp", b"VOLUME /a", b"SHELL [\"a\"]", b"ENV",
            b"HEALTHCHECK --interval=1s CMD x", b"HEALTHCHECK NONE", b"STOPSIGNAL 9", b"FOO bar",
            b"ONBUILD ARG X=1", b"ONBUILD", b"MAINTAINER me", b"CMD [null]", b"copy a",
        ]
    ),
)  # fmt: skip
"""One instruction, whole or refused, without indentation and final line ending."""

BETWEEN = st.sampled_from([b"", b"", b"", b"\n", b"# a comment\n", b"   \n", b"  # b \\\n"])


@st.composite
def dockerfiles(draw: st.DrawFn, *, header: bool = True) -> bytes:
    """A Dockerfile of complete instructions, each ended by a line ending."""
    parts = [
        draw(
            st.sampled_from(
                [b"", b"", b"# syntax=a/b:1\n", b"\xef\xbb\xbf", b"#!/x\n# check=skip=all\n"]
            )
        )
        if header
        else b""
    ]
    eol = draw(st.sampled_from([b"\n", b"\n", b"\r\n"]))
    for instruction in draw(st.lists(INSTRUCTION, min_size=1, max_size=6)):
        indent = draw(st.sampled_from([b"", b"", b"  ", b"\t", b"\\\n"]))
        parts += (draw(BETWEEN), indent, instruction, b"\n")
    return b"".join(parts).replace(b"\n", eol)
