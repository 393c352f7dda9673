"""Names that BuildKit knows without a declaration (rule 2.11)."""

from __future__ import annotations

PROXIES = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"})

# The values of a plain build on linux/amd64, which decide what FROM means by default.
PLATFORM = {
    "TARGETPLATFORM": "linux/amd64",
    "TARGETOS": "linux",
    "TARGETARCH": "amd64",
    "TARGETVARIANT": "",
    "TARGETOSVERSION": "",
    "TARGETSTAGE": "default",
    "BUILDPLATFORM": "linux/amd64",
    "BUILDOS": "linux",
    "BUILDARCH": "amd64",
    "BUILDVARIANT": "",
    "BUILDOSVERSION": "",
}

_CONTROL = (
    "BUILDKIT_",
    "GIT_AUTH_TOKEN",
    "GIT_AUTH_HEADER",
    "HTTP_AUTH_TOKEN_",
    "HTTP_AUTH_HEADER_",
)


def is_proxy(name: str) -> bool:
    """Whether a RUN gets the build argument `name` without an ARG, outside of the history."""
    return name.upper() in PROXIES


def is_platform(name: str) -> bool:
    """Whether BuildKit gives a bare `ARG name` its value."""
    return name in PLATFORM


def is_control(name: str) -> bool:
    """Whether the build argument steers BuildKit itself."""
    return name == "SOURCE_DATE_EPOCH" or name.startswith(_CONTROL)
