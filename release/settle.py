#!/usr/bin/env python3
# settle.py — takes out of an image's archive what is only of the build that made it, so that two builds of
# one thing are one image — knows nothing of what is in it.
#
#   settle.py ARCHIVE NAME OUT     as `podman save --format docker-archive` writes it; tells the image's ID
#
# Builders write into the configuration in which container they worked, its host name, the IDs of images in
# between, and their own version; `podman load` and `docker load` need none of it.
import hashlib
import io
import json
import sys
import tarfile

OF_THE_BUILD = ("container", "container_config", "parent", "docker_version")


def settled(config):
    for field in OF_THE_BUILD:
        config.pop(field, None)
    config["config"].pop("Hostname", None)
    (config["config"].get("Labels") or {}).pop("io.buildah.version", None)
    for entry in config.get("history", []):
        entry.pop("comment", None)
    return json.dumps(config, sort_keys=True, separators=(",", ":")).encode()


def add(out, name, size, source):
    entry = tarfile.TarInfo(name)  # of root, at 1970: the archive's own entries have no other time
    entry.size, entry.mode = size, 0o644
    out.addfile(entry, source)


def main():
    archive, name, target = sys.argv[1:]
    with tarfile.open(archive) as given, tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as out:
        manifest = json.load(given.extractfile("manifest.json"))
        assert len(manifest) == 1, "one image an archive"
        config = settled(json.load(given.extractfile(manifest[0]["Config"])))
        digest = hashlib.sha256(config).hexdigest()
        layers = manifest[0]["Layers"]
        described = [{"Config": digest + ".json", "Layers": layers, "RepoTags": [name]}]
        text = json.dumps(described, sort_keys=True).encode()
        add(out, "manifest.json", len(text), io.BytesIO(text))
        add(out, digest + ".json", len(config), io.BytesIO(config))
        for layer in dict.fromkeys(layers):
            member = given.getmember(layer)
            add(out, layer, member.size, given.extractfile(member))
    print(digest)


main()
