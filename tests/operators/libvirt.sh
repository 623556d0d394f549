#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A libvirt domain under belfry: examples/operators/domain.xml.
#
#   libvirt.sh EXAMPLES LIBRARY
#
# libvirtd runs without systemd, in a mount namespace in which its folders are
# new and empty.
# shellcheck disable=SC1091,SC2154
set -euo pipefail

. "$(dirname "$0")/common.sh"
need libvirtd virsh qemu-img qemu-system-x86_64 unshare
[ "$(id -u)" -eq 0 ] || skip 'libvirtd of the system needs root'
if [ -z "${3:-}" ]; then
  unshare -m --propagation private true 2>/dev/null ||
    skip 'no mount namespace'
  exec unshare -m --propagation private "$0" "$@" inside
fi

for folder in /etc/libvirt /run /var/lib/libvirt /var/cache/libvirt \
  /var/log/libvirt; do
  mkdir -p "$folder"
  mount -t tmpfs none "$folder"
done
# libvirtd wants this user to exist, even if it is told another one.
for file in passwd group; do
  cp "/etc/$file" "/run/$file"
  grep -q ^libvirt-qemu: "/run/$file" ||
    echo "libvirt-qemu:x:0:$([ $file = group ] || echo '0::/:/bin/false')" \
      >>"/run/$file"
  mount --bind "/run/$file" "/etc/$file"
done
cat >/etc/libvirt/qemu.conf <<'END'
user = "root"
group = "root"
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
END
echo 'auth_unix_rw = "none"' >/etc/libvirt/libvirtd.conf

export LIBVIRT_DEFAULT_URI=qemu:///system
libvirtd >/run/libvirtd.log 2>&1 &
daemon=$!

end() {
  virsh destroy "$name" >/dev/null 2>&1 || true
  kill "$daemon"
  wait "$daemon" || true
}
name=belfry-example
trap end EXIT
await virsh version

images=/var/lib/libvirt/images
mkdir -p $images
qemu-img create -q -f qcow2 $images/$name.qcow2 64M
qemu-img create -q -f qcow2 $images/more.qcow2 16M
sed "s#$installed#$library#" "$examples/domain.xml" >/run/domain.xml

running() {
  [ "$(virsh domstate $name)" = running ] || fail "$1: $(virsh domstate $name)"
  pid=$(cat /run/libvirt/qemu/$name.pid)
  has_belfry "$pid" || fail "$1: no belfry in QEMU"
}

step capabilities
shows '<domain>kvm</domain>' virsh domcapabilities --virttype kvm \
  --emulatorbin /usr/bin/qemu-system-x86_64 || fail 'no KVM'

step start
virsh define /run/domain.xml
virsh start $name
running start

step statistics
shows 'cpu.time=[1-9]' virsh domstats $name --cpu-total || fail 'no CPU time'
await shows 'vcpu.0.time=[1-9]' virsh domstats $name --vcpu

step snapshot
virsh snapshot-create-as $name one
virsh snapshot-revert $name one
running snapshot

step hotplug
virsh attach-disk $name $images/more.qcow2 vdb --subdriver qcow2
virsh setvcpus $name 2 --live
shows vcpu.current=2 virsh domstats $name --vcpu || fail 'one CPU'

step save, restore
virsh save $name /run/saved
virsh restore /run/saved
running restore
shows vcpu.current=2 virsh domstats $name --vcpu || fail 'one CPU'
