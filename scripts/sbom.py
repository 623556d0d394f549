#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Print the SPDX 2.3 bill of materials of a release tarball, as JSON.

    sbom.py TARBALL SECONDS

SECONDS is the time of the commit, since 1970; the same tarball and time give the
same output.  The document lists each file with its checksums and licence, and
the libraries that the built programs link.
"""
import hashlib
import json
import re
import sys
import tarfile
from datetime import datetime, timezone
from pathlib import PurePath

# The libraries that belfry links, with their licences: doc/dependencies.md.
LINKED = {
    "ck": ("BSD-2-Clause AND Apache-2.0", "the tool, if the build found it"),
    "glibc": ("LGPL-2.1-or-later", "libbelfry, the preload library, the tool"),
    "json-c": ("MIT", "the tool"),
    "liburcu": ("LGPL-2.1-or-later", "the tool, if the build found it"),
    "libseccomp": ("LGPL-2.1-only", "the tool"),
    "zydis": ("MIT", "the tool"),
}


def licence(path, text):
    """The licence of a file: its own line, or that of its folder."""
    found = re.search(rb"SPDX-License-Identifier: ([\w.-]+(?: OR [\w.-]+)*)",
                      text[:2000])
    if found:
        name = found[1].decode()
        return "GPL-2.0-only" if name == "GPL-2.0" else name
    return "GPL-2.0-only" if path.startswith("kmod/") else "MIT"


def file_entry(number, path, text):
    return {
        "SPDXID": f"SPDXRef-File-{number}",
        "fileName": "./" + path,
        "checksums": [
            {"algorithm": "SHA1",
             "checksumValue": hashlib.sha1(text).hexdigest()},
            {"algorithm": "SHA256",
             "checksumValue": hashlib.sha256(text).hexdigest()},
        ],
        "licenseConcluded": licence(path, text),
        "licenseInfoInFiles": [licence(path, text)],
        "copyrightText": "Copyright (c) 2026 The belfry authors",
    }


def files_of(tarball):
    """Each regular file's path below the top folder, and its bytes."""
    with tarfile.open(tarball) as tar:
        for member in tar:
            if member.isfile():
                path = "/".join(PurePath(member.name).parts[1:])
                yield path, tar.extractfile(member).read()


def verification_code(files):
    sums = sorted(f["checksums"][0]["checksumValue"] for f in files)
    return hashlib.sha1("".join(sums).encode()).hexdigest()


def packages(name, version, tarball, files):
    with open(tarball, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    yield {
        "SPDXID": "SPDXRef-Package-belfry",
        "name": name,
        "versionInfo": version,
        "packageFileName": PurePath(tarball).name,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": True,
        "packageVerificationCode": {
            "packageVerificationCodeValue": verification_code(files)},
        "checksums": [{"algorithm": "SHA256", "checksumValue": digest}],
        "licenseConcluded": "MIT AND GPL-2.0-only",
        "licenseDeclared": "MIT AND GPL-2.0-only",
        "licenseInfoFromFiles":
            sorted({f["licenseConcluded"] for f in files}),
        "copyrightText": "Copyright (c) 2026 The belfry authors",
    }
    for linked, (terms, user) in sorted(LINKED.items()):
        yield {
            "SPDXID": f"SPDXRef-Package-{linked}",
            "name": linked,
            "comment": f"linked by {user}; not contained",
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False,
            "licenseConcluded": "NOASSERTION",
            "licenseDeclared": terms,
            "copyrightText": "NOASSERTION",
        }


def relations(files):
    yield "SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Package-belfry"
    for entry in files:
        yield "SPDXRef-Package-belfry", "CONTAINS", entry["SPDXID"]
    for linked in sorted(LINKED):
        yield ("SPDXRef-Package-belfry", "DYNAMIC_LINK",
               f"SPDXRef-Package-{linked}")


def document(tarball, seconds):
    stem = PurePath(tarball).name[:-len(".tar.xz")]
    name, version = stem.rsplit("-", 1)
    files = [file_entry(number, path, text) for number, (path, text)
             in enumerate(sorted(files_of(tarball)), 1)]
    created = datetime.fromtimestamp(seconds, timezone.utc)
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": stem,
        "documentNamespace":
            f"https://spdx.org/spdxdocs/{stem}-{verification_code(files)}",
        "creationInfo": {
            "created": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "creators": ["Tool: belfry-scripts-sbom"],
        },
        "packages": list(packages(name, version, tarball, files)),
        "files": files,
        "relationships": [
            {"spdxElementId": a, "relationshipType": kind,
             "relatedSpdxElement": b} for a, kind, b in relations(files)],
    }


def main():
    if len(sys.argv) != 3 or not sys.argv[1].endswith(".tar.xz"):
        sys.exit("usage: scripts/sbom.py TARBALL.tar.xz SECONDS")
    json.dump(document(sys.argv[1], int(sys.argv[2])), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
