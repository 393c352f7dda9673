"""What `docker save` writes: manifests, configs, layers and attestations of one image.

Reads the OCI layout that Docker Engine 25 and later write. Knows nothing of builds.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any, NamedTuple

from dockerfix.verify.scan import Hit, scan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LIST_TYPES = ("image.index", "manifest.list")
_WHITEOUT = ".wh."


class Entry(NamedTuple):
    """One file of an image: what a container sees, but for its times."""

    kind: str
    mode: int
    owner: tuple[int, int]
    content: str


class Place(NamedTuple):
    """A hit, and which part of the image holds it: history, config, layer, provenance, manifest."""

    part: str
    hit: Hit


class Image:
    """One saved image. `archive` is the whole tar as bytes."""

    def __init__(self, archive: bytes) -> None:
        self._members: dict[str, bytes] = {}
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            for entry in tar:
                file = tar.extractfile(entry) if entry.isfile() else None
                if file is not None:
                    self._members[entry.name] = file.read()
        self._parts: dict[str, str] = {}
        self.configs: list[dict[str, Any]] = []
        self._layers: list[bytes] = []
        self.attested = False
        self._read_index(json.loads(self._members["index.json"]))

    def find(self, canaries: Mapping[str, str]) -> list[Place]:
        """Where the canaries stand, in every member of the archive."""
        found: list[Place] = []
        for name, data in self._members.items():
            part = self._parts.get(name, "manifest")
            if part == "config":
                config = json.loads(data)
                history = json.dumps(config.pop("history", [])).encode()
                found += [Place("history", hit) for hit in scan(history, canaries, name)]
                data = json.dumps(config).encode()
            found += [Place(part, hit) for hit in scan(data, canaries, name)]
        return found

    def files(self) -> dict[str, Entry]:
        """The files of the image by path, all layers applied."""
        tree: dict[str, Entry] = {}
        for layer in self._layers:
            with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
                for member in tar:
                    _apply(tree, tar, member)
        return tree

    def environment(self) -> dict[str, str]:
        """ENV of the image."""
        return dict(pair.split("=", 1) for pair in self._settings().get("Env") or [])

    def settings(self) -> dict[str, Any]:
        """The image's config but for ENV: CMD, ENTRYPOINT, USER, WORKDIR, labels, ports..."""
        return {key: value for key, value in self._settings().items() if key != "Env"}

    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = self.configs[0].get("config") or {}
        return settings

    def _read_index(self, index: dict[str, Any]) -> None:
        for descriptor in index["manifests"]:
            name = _member(descriptor)
            if name not in self._members:
                continue
            manifest = json.loads(self._members[name])
            if any(kind in manifest.get("mediaType", "") for kind in _LIST_TYPES):
                self._read_index(manifest)
            else:
                self._read_manifest(manifest, descriptor)

    def _read_manifest(self, manifest: dict[str, Any], descriptor: dict[str, Any]) -> None:
        annotations = descriptor.get("annotations") or {}
        attestation = annotations.get("vnd.docker.reference.type") == "attestation-manifest"
        self.attested |= attestation
        for layer in manifest["layers"]:
            name = _member(layer)
            self._parts[name] = "provenance" if attestation else "layer"
            if not attestation:
                data = self._members[name]
                self._layers.append(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)
        if not attestation:
            config = _member(manifest["config"])
            self._parts[config] = "config"
            self.configs.append(json.loads(self._members[config]))


def _member(descriptor: Mapping[str, Any]) -> str:
    return "blobs/" + str(descriptor["digest"]).replace(":", "/")


def _apply(tree: dict[str, Entry], tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
    path = member.name.strip("/").removeprefix("./")
    folder, _, name = path.rpartition("/")
    if name == f"{_WHITEOUT}{_WHITEOUT}.opq":
        _forget(tree, folder, inside_only=True)
    elif name.startswith(_WHITEOUT):
        _forget(tree, f"{folder}/{name[len(_WHITEOUT) :]}".lstrip("/"), inside_only=False)
    elif path not in ("", "."):
        tree[path] = _entry(tar, member)


def _forget(tree: dict[str, Entry], path: str, *, inside_only: bool) -> None:
    for gone in list(_below(tree, path)):
        del tree[gone]
    if not inside_only:
        tree.pop(path, None)


def _below(tree: Mapping[str, Entry], path: str) -> Iterator[str]:
    return (name for name in tree if name.startswith(f"{path}/"))


def _entry(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    kind = "folder" if member.isdir() else "link" if member.issym() or member.islnk() else "file"
    file = tar.extractfile(member) if member.isfile() else None
    content = hashlib.sha256(file.read()).hexdigest() if file is not None else member.linkname
    return Entry(kind, member.mode, (member.uid, member.gid), content)
