"""One file a pass, named for the bad pattern it finds; `ALL` in the order of their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from dockerfix.passes.arg_beside_mount import ArgBesideMount
from dockerfix.passes.broken_secret_mount import BrokenSecretMount
from dockerfix.passes.build_arg_left_over import BuildArgLeftOver
from dockerfix.passes.mount_not_read import MountNotRead
from dockerfix.passes.runtime_secret_in_env import RuntimeSecretInEnv
from dockerfix.passes.secret_file_copied import SecretFileCopied
from dockerfix.passes.secret_file_in_context import SecretFileInContext
from dockerfix.passes.secret_file_unreadable import SecretFileUnreadable
from dockerfix.passes.secret_gone_before_use import SecretGoneBeforeUse
from dockerfix.passes.secret_id_mismatch import SecretIdMismatch
from dockerfix.passes.secret_in_arg import SecretInArg
from dockerfix.passes.secret_in_env import SecretInEnv
from dockerfix.passes.secret_in_log import SecretInLog
from dockerfix.passes.secret_in_onbuild import SecretInOnbuild
from dockerfix.passes.secret_never_mounted import SecretNeverMounted
from dockerfix.passes.secret_not_given import SecretNotGiven
from dockerfix.passes.secret_path_in_env import SecretPathInEnv
from dockerfix.passes.secret_persisted_in_layer import SecretPersistedInLayer
from dockerfix.passes.secret_put_into_dockerfile import SecretPutIntoDockerfile
from dockerfix.passes.secret_read_without_mount import SecretReadWithoutMount
from dockerfix.passes.secret_wrongly_given import SecretWronglyGiven
from dockerfix.passes.ssh_key_in_build import SshKeyInBuild
from dockerfix.passes.variable_in_mount import VariableInMount

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockerfix.context import Context
    from dockerfix.finding import Finding


class Pass(Protocol):
    """A pure function of its context. `name` is also its file, its class and its page."""

    name: str

    def run(self, context: Context) -> Iterable[Finding]: ...


ALL: tuple[Pass, ...] = (
    ArgBesideMount(),
    BrokenSecretMount(),
    BuildArgLeftOver(),
    MountNotRead(),
    RuntimeSecretInEnv(),
    SecretFileCopied(),
    SecretFileInContext(),
    SecretFileUnreadable(),
    SecretGoneBeforeUse(),
    SecretIdMismatch(),
    SecretInArg(),
    SecretInEnv(),
    SecretInLog(),
    SecretInOnbuild(),
    SecretNeverMounted(),
    SecretNotGiven(),
    SecretPathInEnv(),
    SecretPersistedInLayer(),
    SecretPutIntoDockerfile(),
    SecretReadWithoutMount(),
    SecretWronglyGiven(),
    SshKeyInBuild(),
    VariableInMount(),
)
