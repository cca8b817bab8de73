#!/usr/bin/env bash
# A real SLURM of several "nodes" on loopback, for tests: root, no cgroups, no systemd, no accounting.
#
#   throwaway_slurm.sh install                                  Debian's packages
#   throwaway_slurm.sh start FOLDER [NODES [CPUS [MEM_MB]]]      3 nodes of 4 CPUs and 16000 MB,
#                                                               in partitions cpu and gpu
#   throwaway_slurm.sh stop FOLDER                              every daemon by its own process id
#
# A job whose processes together use more memory than it asked for is killed (polled each second);
# without cgroups it then counts as FAILED, not OUT_OF_MEMORY. Each node has a GPU of type a100, which
# is /dev/null. All ports are on 127.0.0.1. What it started stops by itself after TTL seconds
# (environment, 3600).
set -euo pipefail
command=${1:-}
folder=${2:-}
nodes=${3:-3} cpus=${4:-4} mem_mb=${5:-16000}
port=${SLURM_PORT:-27817}
host=$(hostname -s)

is_running() { # a zombie answers kill -0, so look at its state
    [ -n "$1" ] && kill -0 "$1" 2>/dev/null && ! grep -q '^State:[[:space:]]*Z' "/proc/$1/status"
}

wait_for() { # seconds, what for, command
    local tries=$(($1 * 10)) what=$2
    shift 2
    for _ in $(seq "$tries"); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done
    echo "throw-away SLURM: no $what" >&2
    return 1
}

stop_by_file() {
    [ -s "$1" ] || return 0
    local pid
    pid=$(cat "$1")
    is_running "$pid" && kill -TERM "$pid" 2>/dev/null
    for _ in $(seq 50); do is_running "$pid" || break; sleep 0.1; done
    is_running "$pid" && kill -KILL "$pid" 2>/dev/null
    rm -f "$1"
}

stop() {
    [ -d "$folder/run" ] || return 0
    export SLURM_CONF=$folder/slurm.conf
    timeout 10 scancel --user root >/dev/null 2>&1 || true
    sleep 1
    for file in "$folder"/run/slurmd-*.pid "$folder"/run/{slurmctld,munged}.pid; do
        stop_by_file "$file" || true
    done
    [ "$(readlink /etc/slurm/slurm.conf)" = "$folder/slurm.conf" ] && rm -f /etc/slurm/slurm.conf
    [ -n "${FROM_WATCHDOG:-}" ] || stop_by_file "$folder/run/watchdog.pid" || true
    rm -rf "$folder/run"
}

write_conf() {
    cat >"$folder/slurm.conf" <<END
ClusterName=throwaway
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$folder/run/munge.sock
SlurmctldPort=$port
SlurmctldPidFile=$folder/run/slurmctld.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdPidFile=$folder/run/slurmd-%n.pid
SlurmdLogFile=$folder/log/slurmd-%n.log
SlurmdSpoolDir=$folder/spool/%n
StateSaveLocation=$folder/state
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
SchedulerParameters=sched_min_interval=100000,batch_sched_delay=0,bf_interval=1
ReturnToService=2
KillWait=2
MinJobAge=600
Waittime=0
AccountingStorageType=accounting_storage/none
GresTypes=gpu
NodeName=n[1-$nodes] NodeHostname=$host NodeAddr=127.0.0.1 Port=[$((port + 1))-$((port + nodes))] CPUs=$cpus RealMemory=$mem_mb Gres=gpu:a100:1 State=UNKNOWN
PartitionName=cpu Nodes=ALL Default=YES MaxTime=1440 DefaultTime=10 DefMemPerCPU=256 LLN=YES State=UP
PartitionName=gpu Nodes=ALL MaxTime=1440 DefaultTime=10 DefMemPerCPU=256 LLN=YES State=UP
END
    echo 'Name=gpu Type=a100 File=/dev/null' >"$folder/gres.conf"
}

watch() { # in short sleeps, so that nothing of it stays when it is stopped
    for _ in $(seq $((${TTL:-3600} / 5))); do sleep 5; done
    FROM_WATCHDOG=1 exec bash "$0" stop "$folder"
}

all_idle() { [ "$(sinfo -h -N -t idle -o %N | sort -u | wc -l)" = "$nodes" ]; }

start_daemons() {
    munged --socket="$folder/run/munge.sock" --key-file="$folder/munge/key" --force \
        --pid-file="$folder/run/munged.pid" --log-file="$folder/log/munged.log" \
        --seed-file="$folder/munge/seed" --num-threads=2
    wait_for 10 munged munge -n --socket="$folder/run/munge.sock"
    slurmctld
    wait_for 20 slurmctld scontrol ping
    for node in $(seq "$nodes"); do
        mkdir -p "$folder/spool/n$node"
        slurmd -N "n$node"
    done
    wait_for 30 "$nodes idle nodes" all_idle
}

start() {
    # Jobs lose every SLURM_* variable before they call srun, so the configuration must be where
    # SLURM looks for it by itself.
    if [ -e /etc/slurm/slurm.conf ]; then
        echo "throw-away SLURM: /etc/slurm/slurm.conf is there, another SLURM is in use" >&2
        return 1
    fi
    rm -rf "$folder"
    mkdir -p "$folder"/{run,log,spool,state,munge} /etc/slurm
    chmod 755 "$folder"
    chmod 700 "$folder/munge"
    head -c 128 /dev/urandom >"$folder/munge/key"
    chmod 600 "$folder/munge/key"
    write_conf
    ln -s "$folder/slurm.conf" /etc/slurm/slurm.conf
    export SLURM_CONF=$folder/slurm.conf
    watch </dev/null >/dev/null 2>&1 &
    echo $! >"$folder/run/watchdog.pid"
    start_daemons || { tail -n 5 "$folder"/log/*.log >&2; stop; return 1; }
}

case $command in
install)
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends slurmctld slurmd slurm-client munge
    ;;
start | stop)
    case $folder in /*) ;; *) echo "$0 $command FOLDER: an absolute path" >&2; exit 2 ;; esac
    "$command"
    ;;
*)
    sed -n '2,14s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
