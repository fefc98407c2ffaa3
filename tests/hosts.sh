#!/bin/sh
# Runs an MPI program on several "hosts" of this machine: network namespaces on a bridge, each with a host name and a
# core of its own, between which there is TCP only.
#   hosts.sh MPIEXEC RANKS[,RANKS…] PROGRAM [ARGUMENT…]      2,2: two hosts with two ranks each
# MPIEXEC none: PROGRAM runs once, on the first host; mpirun started by it reaches the hosts as 10.77.0.1, 10.77.0.2, …
# Exit status 77 if namespaces are not permitted here.
set -eu
usage() {
  echo "usage: hosts.sh MPIEXEC RANKS[,RANKS…] PROGRAM [ARGUMENT…], e.g. hosts.sh mpirun 2,2 hostname" >&2
  exit 2
}
[ $# -ge 3 ] || usage
case ,$2, in *[!0-9,]* | *,,* | *,0*) usage ;; esac
mpiexec=$1 ranks=$2
shift 2
name=lockstep-$$
work=$(mktemp -d)

namespaces() { ip netns list | cut -d' ' -f1 | grep "^lockstep-$1-" || true; }
clean_up() {
  for space in $(namespaces $$); do ip netns delete "$space"; done
  rm -rf "$work"
}
# What a call that was killed could not clean up.
remove_remains() {
  for space in $(namespaces '[0-9]*'); do
    owner=${space#lockstep-}
    kill -0 "${owner%%-*}" 2> /dev/null || ip netns delete "$space" 2> /dev/null || true
  done
}
trap clean_up EXIT
trap 'exit 130' INT TERM

skip() {
  echo "skipped: $1"
  exit 77
}
[ "$(id -u)" = 0 ] || skip "network namespaces need root"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
command -v ip > /dev/null || skip "ip (Debian: iproute2) is not installed"
remove_remains
ip netns add "$name-switch" 2> /dev/null || skip "network namespaces are not permitted here"
ip -n "$name-switch" link add bridge type bridge 2> /dev/null || skip "network bridges are not permitted here"
unshare --uts true 2> /dev/null || skip "host name namespaces are not permitted here"
ip -n "$name-switch" link set bridge up

host=0 hosts=
for count in $(echo "$ranks" | tr , ' '); do
  host=$((host + 1))
  ip netns add "$name-$host"
  ip -n "$name-$host" link add net type veth peer name "port$host" netns "$name-switch"
  ip -n "$name-switch" link set "port$host" master bridge up
  ip -n "$name-$host" address add "10.77.0.$host/24" dev net
  ip -n "$name-$host" link set net up
  ip -n "$name-$host" link set lo up
  hosts=${hosts:+$hosts,}10.77.0.$host:$count
done

# Takes the place of ssh: mpirun calls it with an address and a command line for the shell there.
cat > "$work/enter" << END
#!/bin/sh
host=\${1##*.}
shift
exec ip netns exec $name-\$host unshare --uts taskset -c \$(((host - 1) % $(nproc))) sh -c "hostname host\$host; \$*"
END
chmod +x "$work/enter"

on_host1() { ip netns exec "$name-1" unshare --uts taskset -c 0 sh -c 'hostname host1; exec "$@"' sh "$@"; }
if [ "$mpiexec" = none ]; then
  export OMPI_MCA_plm_rsh_agent="$work/enter" OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_pml=ob1 OMPI_MCA_btl=tcp,vader,self
  export OMPI_MCA_btl_tcp_if_include=10.77.0.0/24 OMPI_MCA_oob_tcp_if_include=10.77.0.0/24
  on_host1 "$@"
  exit
fi
on_host1 "$mpiexec" --host "$hosts" \
  --mca plm_rsh_agent "$work/enter" --oversubscribe --bind-to none --mca mpi_yield_when_idle 1 \
  --mca pml ob1 --mca btl tcp,vader,self --mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24 \
  "$@"
