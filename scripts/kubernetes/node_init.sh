#!/usr/bin/env bash
# node_init.sh: process 1 of one node. It has its own network, mount, process and host-name namespaces, and what it kept on disk
# is in $NODE_DIR. Started by kube_nodes.py with NODE, NODE_DIR, NODE_IP, CGROUP, LABELS, KUBELET and KUBE_PROXY.
set -euo pipefail

hostname "$NODE"
mount --make-rshared /
mount -t tmpfs -o mode=755 tmpfs /run # lost at a power cut, as it should be
mkdir -p /run/netns /run/lock
for path in etc/cni/net.d var/lib/cni var/lib/containerd var/lib/kubelet var/log/pods var/log/containers mnt/disks; do
    mkdir -p "$NODE_DIR/$path" "/$path"
    mount --bind "$NODE_DIR/$path" "/$path"
done

# kubelet sets these for the whole machine: let it find the values that it wants, and change nothing.
while read -r key value; do
    echo "$value" >"/run/${key//\//.}"
    mount --bind "/run/${key//\//.}" "/proc/sys/$key"
done <<<'vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000'

for path in "$NODE_DIR"/disk-*; do
    [[ -d $path ]] || continue
    mkdir -p "/mnt/disks/${path##*/}"
    mount --bind "$path" "/mnt/disks/${path##*/}"
done

# A service: started again when it ends.
keep() {
    local name=$1
    shift
    while true; do
        "$@" >>"$NODE_DIR/$name.log" 2>&1 || true
        sleep 1
    done
}

echo $$ >"/sys/fs/cgroup/freezer/$CGROUP/cgroup.procs" # so that the whole node can be frozen
keep containerd containerd --config "$NODE_DIR/containerd.toml" &
until [[ -S /run/containerd/containerd.sock ]]; do sleep 0.05; done
keep kubelet "$KUBELET" --config="$NODE_DIR/kubelet.json" --kubeconfig="$NODE_DIR/kubelet.kubeconfig" \
    --hostname-override="$NODE" --node-ip="$NODE_IP" --node-labels="$LABELS" &
keep kube-proxy "$KUBE_PROXY" --config="$NODE_DIR/proxy.json" &
wait
