#!/bin/sh
# Installs Debian packages without letting them start services: install.sh PACKAGE...   (as root)
# Everything it changes besides the packages is put back, whatever happens in between, and if it is killed half-way,
# by its next run.
set -eu

policy=/usr/sbin/policy-rc.d
kept=/usr/sbin/policy-rc.d.before-schoolconnect
mark='# temporary: written by schoolconnect while packages are installed'
clusters=/etc/postgresql-common/createcluster.d/schoolconnect.conf

restore() {
    rm -f "$clusters"
    rmdir -p --ignore-fail-on-non-empty /etc/postgresql-common/createcluster.d 2>/dev/null || true
    if [ -e "$kept" ] || [ -L "$kept" ]; then
        mv -f "$kept" "$policy"
    elif [ -f "$policy" ] && grep -qxF "$mark" "$policy"; then
        rm -f "$policy"
    fi
}

installed() {
    dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed
}

new=''
for package in "$@"; do
    installed "$package" || new="$new $package"
done

restore   # what a killed run has left
trap restore EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

if [ -e "$policy" ] || [ -L "$policy" ]; then
    mv "$policy" "$kept"
fi
printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy"
chmod 0755 "$policy"
mkdir -p "${clusters%/*}"
echo 'create_main_cluster = false' >"$clusters"

export DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical NEEDRESTART_SUSPEND=1 APT_LISTCHANGES_FRONTEND=none
apt() {
    apt-get -q -y -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 "$@" </dev/null
}
apt update
apt install --no-install-recommends "$@"

# Do not start them with the machine either. Packages that were installed before keep their setting.
if [ -d /run/systemd/system ]; then
    for package in $new; do
        case "$package" in
            rabbitmq-server) systemctl disable --quiet rabbitmq-server.service || true ;;
            postgresql) systemctl disable --quiet postgresql.service || true ;;
            prometheus | prometheus-alertmanager) systemctl disable --quiet "$package.service" || true ;;
            clamav-daemon) systemctl disable --quiet clamav-daemon.service clamav-daemon.socket || true ;;
            redis-server) systemctl disable --quiet redis-server.service || true ;;
        esac
    done
fi
