# Installs packages, as root, without the services that they would start: those who installed them
# want a Redis and a PostgreSQL of their own, not a system's. Arguments: packages.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update
for package in "$@"; do
    case $package in
        postgresql)
            # Its own answer to the question whether to make, and start, a first cluster.
            apt-get install --yes --no-install-recommends postgresql-common
            setting=/etc/postgresql-common/createcluster.conf
            cp -p $setting $setting.spinvote
            trap 'mv $setting.spinvote $setting' EXIT
            echo 'create_main_cluster = false' >>$setting
            apt-get install --yes --no-install-recommends postgresql
            ;;
        redis-server | prometheus)
            apt-get install --yes --no-install-recommends "$package"
            if [ -d /run/systemd/system ]; then
                systemctl disable --now "$package"
            else
                invoke-rc.d "$package" stop || true
            fi
            ;;
        *)
            apt-get install --yes --no-install-recommends "$package"
            ;;
    esac
done
