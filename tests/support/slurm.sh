#!/usr/bin/env bash
# A private Slurm on loopback, in a folder: one controller and nodes n1, n2, ... of this machine. Needs slurmctld, slurmd, slurm-client
# and munge, and no rights but the right to run them.
#
#   slurm.sh up FOLDER [NODES] [CPUS] [MEGABYTES]   starts it and prints the path of its slurm.conf
#   slurm.sh down FOLDER                            ends it
#   slurm.sh until FOLDER PROCESS                   ends it, and removes the folder, when a process is gone
#   slurm.sh controller FOLDER                      starts the controller again
#   slurm.sh node FOLDER NODE                       starts a node's daemon again
#   slurm.sh crash FOLDER NODE                      takes a node's power: its daemon, its jobs and all they started
#
# With KILN_SLURM_BLIND=FOLDER nodes see that folder empty, where the kernel lets them have mounts of their own. With KILN_SLURM_GPUS=N each
# has so many GPUs by name. With KILN_SLURM_PREEMPTS=1 jobs of the partition `high` take the place of others. Slurm itself looks after their
# memory, every KILN_SLURM_GATHER seconds. With KILN_SLURM_CGROUP=1 the kernel does, in control groups; that takes root, and version 1 of these.
#
# Only processes are ended whose numbers the folder holds.
set -euo pipefail
command=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)
conf=$folder/slurm.conf
export SLURM_CONF=$conf
export PATH=$PATH:/usr/sbin:/sbin

# A port nobody listens on, and the ones after it.
free_ports() {
    local base try
    for _ in $(seq 50); do
        base=$((20000 + RANDOM % 10000))
        for try in $(seq "$base" $((base + $1))); do
            if (exec 3<>"/dev/tcp/127.0.0.1/$try") 2>/dev/null; then continue 2; fi
        done
        echo "$base"
        return
    done
    echo "no free ports" >&2
    return 1
}

# Whether a process runs.
runs() {
    [ -d "/proc/$1" ] && ! grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null
}

# Ends the processes of files, by force after ten seconds. A daemon removes its file before it is gone.
end() {
    local pid pids
    pids=$(cat "$@" 2>/dev/null || true)
    for pid in $pids; do kill "$pid" 2>/dev/null || true; done
    for pid in $pids; do
        for _ in $(seq 100); do runs "$pid" || break; sleep 0.1; done
        if runs "$pid"; then kill -9 "$pid" 2>/dev/null || true; fi
    done
}

# Starts the daemon of a node.
start_node() {
    if [ -n "${KILN_SLURM_BLIND:-}" ] && unshare --mount true 2>/dev/null; then
        unshare --mount sh -c 'mount -t tmpfs none "$0" && exec slurmd -N "$1" -f "$2"' "$KILN_SLURM_BLIND" "$1" "$conf"
    else
        slurmd -N "$1" -f "$conf"
    fi
}

configure() {
    local nodes=$1 cpus=$2 memory=$3 host base i gpus= tracks=linuxproc tasks=none enforces=JobAcctGatherParams=OverMemoryKill
    if [ -n "${KILN_SLURM_CGROUP:-}" ]; then
        tracks=cgroup tasks=cgroup enforces=
    fi
    host=$(hostname -s)
    base=$(free_ports $((nodes + 1)))
    {
        cat <<CONF
ClusterName=kiln
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$base
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$folder/socket/munge
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool/%n
SlurmctldPidFile=$folder/run/controller
SlurmdPidFile=$folder/run/node-%n
SlurmctldLogFile=$folder/log/controller
SlurmdLogFile=$folder/log/node-%n
ProctrackType=proctrack/$tracks
TaskPlugin=task/$tasks
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=${KILN_SLURM_GATHER:-1}
$enforces
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=64
AccountingStorageType=accounting_storage/none
ReturnToService=2
JobRequeue=1
KillWait=2
MinJobAge=${KILN_SLURM_JOB_AGE:-300}
SlurmctldTimeout=10
SlurmdTimeout=10
MessageTimeout=10
InactiveLimit=0
Waittime=0
OverTimeLimit=0
MaxJobCount=${KILN_SLURM_JOBS:-10000}
MaxArraySize=1001
SchedulerParameters=sched_interval=1,bf_interval=2,sched_min_interval=0,batch_sched_delay=0,default_queue_depth=1000
DebugFlags=NO_CONF_HASH
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
CONF
        if [ -n "${KILN_SLURM_PREEMPTS:-}" ]; then
            echo "PreemptType=preempt/partition_prio"
            echo "PreemptMode=REQUEUE"
            echo "PartitionName=high Nodes=ALL PriorityTier=10 MaxTime=INFINITE State=UP"
        fi
        if [ -n "${KILN_SLURM_GPUS:-}" ]; then
            echo "GresTypes=gpu"
            gpus="Gres=gpu:$KILN_SLURM_GPUS"
        fi
        for i in $(seq "$nodes"); do
            echo "NodeName=n$i NodeHostname=$host NodeAddr=127.0.0.1 Port=$((base + i)) CPUs=$cpus RealMemory=$memory $gpus State=UNKNOWN"
        done
        echo "PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP"
        echo "PartitionName=short Nodes=ALL MaxTime=10 State=UP"
    } >"$conf"
    printf '%s\n' CgroupPlugin=cgroup/v1 ConstrainRAMSpace=yes ConstrainSwapSpace=no CgroupAutomount=no >"$folder/cgroup.conf"
    if [ -n "$gpus" ]; then
        for i in $(seq "$KILN_SLURM_GPUS"); do echo "Name=gpu File=/dev/null"; done >"$folder/gres.conf"
    fi
}

authenticate() {
    (umask 077 && [ -f "$folder/munge/key" ] || { dd if=/dev/urandom of="$folder/munge/key" bs=1024 count=1 status=none && chmod 400 "$folder/munge/key"; })
    munged --force --key-file="$folder/munge/key" --socket="$folder/socket/munge" --pid-file="$folder/run/munge" \
        --log-file="$folder/munge/log" --seed-file="$folder/munge/seed" --num-threads=2
}

# Waits until all nodes can take jobs.
wait_for_nodes() {
    local nodes up
    nodes=$(grep -c ^NodeName= "$conf")
    for _ in $(seq 300); do
        up=$(sinfo -h -N -o '%N %t' 2>/dev/null | sort -u | grep -cE ' (idle|mix|alloc)$' || true)
        if [ "$up" -ge "$nodes" ]; then return; fi
        sleep 0.1
    done
    echo "Slurm does not come up" >&2
    tail -n 20 "$folder"/log/* >&2
    return 1
}

case $command in
up)
    chmod 755 "$folder"
    mkdir -p "$folder"/{state,spool,log,run,munge,socket}
    chmod 700 "$folder/munge"
    chmod 755 "$folder/socket"
    configure "${3:-2}" "${4:-2}" "${5:-2000}"
    authenticate
    slurmctld -f "$conf" -i
    for i in $(seq "${3:-2}"); do start_node "n$i"; done
    wait_for_nodes
    echo "$conf"
    ;;
controller)
    slurmctld -f "$conf"
    for _ in $(seq 100); do if scontrol ping 2>/dev/null | grep -q UP; then exit 0; fi; sleep 0.1; done
    exit 1
    ;;
node)
    start_node "$3"
    # Its file names the daemon before it for a while.
    for _ in $(seq 100); do if runs "$(cat "$folder/run/node-$3" 2>/dev/null || echo none)"; then exit 0; fi; sleep 0.1; done
    tail -n 20 "$folder/log/node-$3" >&2
    exit 1
    ;;
crash)
    kill -9 "$(cat "$folder/run/node-$3")" 2>/dev/null || true
    # The daemon of each job before the job, or it would report an end; then the job's session.
    for process in /proc/[0-9]*; do
        marks=$({ tr '\0' '\n' <"$process/environ" | grep -cxF -e "SLURMD_NODENAME=$3" -e "SLURM_CONF=$conf"; } 2>/dev/null) || true
        if [ "${marks:-0}" -eq 2 ]; then
            pid=${process#/proc/}
            parent=$(ps -o ppid= -p "$pid" 2>/dev/null | tr -d ' ') || continue
            if [ "$(cat "/proc/$parent/comm" 2>/dev/null)" = slurmstepd ]; then kill -9 "$parent" 2>/dev/null || true; fi
            session=$(ps -o sid= -p "$pid" 2>/dev/null | tr -d ' ') || continue
            for one in $(ps -o pid= --sid "${session:-none}" 2>/dev/null); do kill -9 "$one" 2>/dev/null || true; done
        fi
    done
    ;;
until)
    while [ -d "/proc/$3" ]; do sleep 0.5; done
    "$0" down "$folder" || true
    rm -rf "$folder"
    ;;
down)
    timeout 5 scancel --user="$(id -un)" 2>/dev/null || true
    for _ in $(seq 50); do if [ -z "$(timeout 5 squeue -h 2>/dev/null)" ]; then break; fi; sleep 0.1; done
    end "$folder"/run/node-*
    end "$folder/run/controller"
    end "$folder/run/munge"
    if grep -q '^TaskPlugin=task/cgroup' "$conf"; then
        for node in $(sed -n 's/^NodeName=\([^ ]*\) .*/\1/p' "$conf"); do
            find /sys/fs/cgroup/*/"slurm_$node" -depth -type d -exec rmdir {} \; 2>/dev/null || true
        done
    fi
    ;;
*)
    echo "slurm.sh: unknown command $command" >&2
    exit 2
    ;;
esac
