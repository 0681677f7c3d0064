#!/usr/bin/env bash
# A real S3 server on loopback for tests: one Ceph monitor, one OSD that keeps its objects in memory, one RADOS gateway.
# No systemd, no manager, no authentication between the daemons; the gateway checks S3 signatures as usual.
#
#   ceph.sh start DIR PORT   DIR must not exist. Uses PORT for S3 and PORT + 1 for the monitor, on 127.0.0.1 only.
#                            Writes DIR/env, to be sourced: endpoint and fresh keys as FACEBATCH_TEST_S3_*.
#   ceph.sh stop DIR         Ends the three daemons that DIR/run/*.pid name. DIR stays, with its logs.
set -eEuo pipefail

usage() {
    sed -n '5,8s/^#   //p' "$0" >&2
    exit 2
}

write_config() {
    local libraries
    libraries=$(dirname "$(dirname "$(find /usr/lib /usr/lib64 -path '*/ceph/erasure-code/libec_jerasure.so' -print -quit)")")
    cat >"$dir/ceph.conf" <<CONFIG
[global]
fsid = $cluster
mon_host = [v2:127.0.0.1:$((port + 1))/0]
mon_initial_members = a
ms_bind_msgr1 = false
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
# Without authentication there is no key for the default "secure" mode, and the gateway would retry for ever.
ms_mon_client_mode = crc
# One OSD: pools of one copy and one placement group, and none of the warnings about it.
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
mon_max_pg_per_osd = 1000
# A nearly full disk of a test machine must not stop the monitor.
mon_data_avail_crit = 1
mon_data_avail_warn = 2
mon_data = $dir/mon
run_dir = $dir/run
admin_socket = $dir/run/\$name.asok
pid_file = $dir/run/\$name.pid
log_file = $dir/log/\$name.log
plugin_dir = $libraries
[mon]
mon_cluster_log_file = $dir/log/cluster.log
[osd]
osd_data = $dir/osd
osd_objectstore = memstore
memstore_device_bytes = 4294967296
# The default list of object classes lacks what the gateway needs when it is not the packaged service.
osd_class_dir = $(dirname "$libraries")/rados-classes
osd_class_load_list = *
osd_class_default_list = *
[client.rgw]
rgw_data = $dir/rgw
rgw_frontends = beast endpoint=127.0.0.1:$port
rgw_run_sync_thread = false
CONFIG
}

start_daemons() {
    monmaptool --create --fsid "$cluster" --addv a "[v2:127.0.0.1:$((port + 1))/0]" "$dir/monmap"
    ceph-mon --mkfs -i a --monmap "$dir/monmap"
    ceph-mon -i a -c "$CEPH_CONF"
    local osd
    osd=$(cat /proc/sys/kernel/random/uuid)
    ceph osd new "$osd" 0
    ceph-osd --mkfs -i 0 --osd-uuid "$osd"
    ceph-osd -i 0 -c "$CEPH_CONF"
    radosgw -n client.rgw -c "$CEPH_CONF"
}

answers() {
    # The first boot makes the gateway's pools; until then it refuses connections.
    (exec 3<>"/dev/tcp/127.0.0.1/$port" && printf 'GET / HTTP/1.0\r\n\r\n' >&3 && read -r line <&3 && [[ $line == *" 200 "* ]])
}

make_user() {
    local access secret
    access=$(tr -d - </proc/sys/kernel/random/uuid)
    secret=$(tr -d - </proc/sys/kernel/random/uuid)
    radosgw-admin -n client.admin user create --uid=tests --display-name=tests --access-key="$access" --secret-key="$secret"
    cat >"$dir/env" <<ENV
export FACEBATCH_TEST_S3_ENDPOINT=http://127.0.0.1:$port
export FACEBATCH_TEST_S3_ACCESS_KEY=$access
export FACEBATCH_TEST_S3_SECRET_KEY=$secret
ENV
}

start() {
    [[ -e $dir ]] && { echo "$dir exists; give a new directory" >&2; exit 2; }
    mkdir -p "$dir"/{mon,osd,rgw,run,log}
    cluster=$(cat /proc/sys/kernel/random/uuid)
    write_config
    export CEPH_CONF=$dir/ceph.conf
    trap 'echo "Ceph did not start; see $dir/log" >&2; stop' ERR
    start_daemons >>"$dir/log/start.log" 2>&1
    local waited=0
    until answers 2>>"$dir/log/start.log"; do
        waited=$((waited + 1))
        [[ $waited -le 600 ]] || false
        sleep 0.1
    done
    make_user >>"$dir/log/start.log" 2>&1
    trap - ERR
    echo "S3 answers at http://127.0.0.1:$port; run: . $dir/env"
}

stop() {
    local name pid
    for name in client.rgw osd.0 mon.a; do
        [[ -s $dir/run/$name.pid ]] || continue
        pid=$(<"$dir/run/$name.pid")
        # The file may be stale and the number taken by another process.
        grep -qsF "$dir/ceph.conf" "/proc/$pid/cmdline" || continue
        kill "$pid"
        for _ in $(seq 100); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$pid" 2>/dev/null || true
    done
}

[[ $# -ge 2 ]] || usage
dir=$(realpath -m "$2")
case $1 in
    start)
        [[ $# -eq 3 && $3 =~ ^[0-9]+$ ]] || usage
        port=$3
        start
        ;;
    stop) stop ;;
    *) usage ;;
esac
