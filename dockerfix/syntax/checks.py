"""The value of `# check=`: which of BuildKit's own checks are off (rule 1.13)."""

from __future__ import annotations

from typing import Any

from dockerfix.syntax.mounts import FALSE, TRUE


class CheckError(ValueError):
    """BuildKit refuses the value; the text is its message."""


def check_options(value: str) -> dict[str, Any]:
    """The options by name. Raises CheckError."""
    result: dict[str, Any] = {
        "skip": None, "skip_all": False, "experimental": None, "experimental_all": False,
        "error": False,
    }  # fmt: skip
    value = value.strip()
    for part in value.split(";", 2) if value else ():
        key, equals, given = part.partition("=")
        if not equals:
            raise CheckError(f'invalid check option "{part}"')
        key, given = key.strip(), given.strip()
        if key in ("skip", "experimental"):
            if given == "all":
                result[f"{key}_all"] = True
            else:
                result[key] = [rule.strip() for rule in given.split(",")]
        elif key == "error":
            if given not in TRUE and given not in FALSE:
                message = f'strconv.ParseBool: parsing "{given}": invalid syntax'
                raise CheckError(f'failed to parse check option "{part}": {message}')
            result["error"] = given in TRUE
        else:
            raise CheckError(f'invalid check option "{key}"')
    return result
