"""The quick path: whether bytes alone show that a file has no line a parser would refuse.

A file without secrets need not be parsed to know that it is not broken. The answer is
often "not known", and never wrong; what a line means is not known here.
"""

from __future__ import annotations

import re

LONGEST_LINE = 65535
"""Bytes of a physical line, its end included, that BuildKit's scanner takes (rule 1.3)."""

PLAIN = re.compile(
    rb"""(?xi)
    (?: [ \t]*+ (?: \#[^\n]*+ | \r?+ ) (?:\n|\Z)
      | [ \t]*+ (?:
            FROM (?: [ \t]++ --platform=\$?[\w/]++ )?+
                [ \t]++ (?: [\w./:@-] | \$\w | \$\{\w++\} )++ (?: [ \t]++ AS [ \t]++ [a-z][\w.-]*+ )?+
          | ARG [ \t]++ [A-Z_]\w*+ (?: = [\w./:@+,-]*+ )?+
          | (?:ENV|LABEL) (?: [ \t]++ [A-Z_][\w.-]*+ = (?: "[^"\\\n$]*+" | [\w./:@+,%?&;*~^()-]*+ (?!") ) )++
          | ENV [ \t]++ [A-Z_][\w.-]*+ [ \t]++ (?![="']) [^\n\\"']++
          | (?:WORKDIR|USER|STOPSIGNAL|EXPOSE|VOLUME) [ \t]++ [\w./:@-]++
          | (?:COPY|ADD) (?: [ \t]++ --[a-z]++=[\w./:@-]++ )*+ (?: [ \t]++ (?!-)[\w./:*?@+-]++ ){2,}+
          | (?:RUN|CMD|ENTRYPOINT) [ \t]++ (?![\[-]|\r?\n|\Z)
                (?: (?: [^\n\\<] | <(?!<) | \\(?![ \t]*+\r?+(?:\n|\Z)) )*+ \\[ \t]*+\r?+\n
                    (?: [ \t]*+ \#[^\n]*+ \n )*+ (?= [ \t]*+ [^\s\#] ) )*+
                (?: [^\n\\<] | <(?!<) | \\(?![ \t]*+\r?+(?:\n|\Z)) )++
          | (?:RUN|CMD|ENTRYPOINT|SHELL|VOLUME) [ \t]++
                \[ (?: [ ]?+ "[^"\\\n<]*+" (?: ,(?=[ ]?+") | (?=[ ]?+\]) ) )++ [ ]?+ \]
        ) [ \t]*+ \r?+ (?:\n|\Z)
    )++
    """
)
FIRST = re.compile(rb"(?i)\A(?:[ \t]*+(?:#[^\n]*+|ARG\b[^\n]*+|\r)?+\n)*+[ \t]*+FROM\b")
DIRECTIVE = re.compile(rb"(?i)\A\xef\xbb\xbf|\A#!|#[ \t]*(?:escape|syntax|check)[ \t]*=")


def plain(data: bytes) -> bool:
    """True only if every line has a shape of which it is known here that the parser takes it."""
    return (
        len(data) < LONGEST_LINE
        and FIRST.match(data) is not None
        and DIRECTIVE.search(data) is None
        and PLAIN.fullmatch(data) is not None
    )
