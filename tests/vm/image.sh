# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The disk that the machines of tests/vm boot: a Debian 12 with systemd and what hawser needs to run, nothing of hawser
# itself; beside it a kernel of Debian's backports, with its initrd. Kept in build-vm/, named after all that it is made of.
# Source it after debian.sh.

VM_PACKAGES=systemd-sysv,dbus,dbus-user-session,libpam-systemd,udev,kmod,zstd,initramfs-tools
VM_PACKAGES+=,python3,nodejs,bubblewrap,iproute2,procps
VM_PACKAGES+=,libuv1,libjansson4,libnettle8,libssl3,libseccomp2,libyaml-0-2,libpcre2-8-0,libsqlite3-0,libwebsockets17
VM_PACKAGES+=,libwebsockets-evlib-uv
VM_UML_MODULES=/usr/lib/uml/modules

# The folder of the image that this script makes, there or not.
vm_image_dir() {
	echo "build-vm/$({ cat tests/vm/image.sh tests/support/debian.sh && ls $VM_UML_MODULES; } | sha256sum | cut -c 1-16)"
}

# What is run is not part of the image: a tar on a second disk; its tests/vm/inside is started when the boot is over.
_vm_configure() { # root
	cat >"$1/usr/local/sbin/hawser-vm" <<'END'
#!/bin/sh
# Which disk the tree is on and where its words go stand in the kernel's command line.
for word in $(cat /proc/cmdline); do
	case $word in
	hawser.*=*) eval "${word#hawser.}" ;;
	esac
done
exec >"$said" 2>&1
mkdir /hawser && tar -x -f "$disk" -C /hawser && exec /hawser/tests/vm/inside
END
	chmod 755 "$1/usr/local/sbin/hawser-vm"
	cat >"$1/etc/systemd/system/hawser-vm.service" <<'END'
[Unit]
Description=The tests of hawser
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/hawser-vm
ExecStopPost=/bin/systemctl poweroff --no-block
END
	ln -s ../hawser-vm.service "$1/etc/systemd/system/multi-user.target.wants/"
	rm -f "$1"/etc/systemd/system/timers.target.wants/*
	mkdir -p "$1/var/lib/systemd/linger"
	touch "$1/var/lib/systemd/linger/tester"
	chroot "$1" useradd --create-home --shell /bin/bash tester
	echo hawser-vm >"$1/etc/hostname"
	: >"$1/etc/fstab"
}

# The kernel, and AppArmor's compiler that knows what it mediates, with the C library that it wants.
_vm_kernel() { # folder
	local root=$1/root debs=$1/debs deb version
	mkdir "$debs" "$debs/13" && debian_fetch "$debs" bookworm-backports linux-image-cloud-amd64 &&
		deb=$(dpkg-deb -f "$debs"/linux-image-cloud-amd64_*.deb Depends) && version=${deb#linux-image-} &&
		version=${version%% *} && debian_fetch "$debs" bookworm-backports "linux-image-$version" &&
		debian_fetch "$debs/13" trixie apparmor apparmor-profiles libc6 || return 1
	# not into the root: its /lib is a link, a package's is a folder
	dpkg-deb -x "$debs/linux-image-$version"_*.deb "$debs/kernel" || return 1
	for deb in "$debs"/13/*.deb; do
		dpkg-deb -x "$deb" "$root/opt/debian13" || return 1
	done
	cp -r "$debs/kernel/lib/modules/$version" "$root/lib/modules/" && cp "$debs/kernel/boot/config-$version" "$root/boot/" &&
		cp "$debs/kernel/boot/vmlinuz-$version" "$1/vmlinuz" && chroot "$root" depmod "$version" || return 1
	echo MODULES=list >"$root/etc/initramfs-tools/conf.d/modules"
	printf 'virtio_pci\nvirtio_blk\next4\n' >>"$root/etc/initramfs-tools/modules"
	chroot "$root" update-initramfs -c -k "$version" && mv "$root/boot/initrd.img-$version" "$1/initrd"
}

# Makes the image in a folder; false: why stands on stderr.
_vm_image_into() { # folder
	local root=$1/root
	debian_bookworm "$root" --include="$VM_PACKAGES" '--dpkgopt=path-exclude=/usr/share/doc/*' \
		'--dpkgopt=path-exclude=/usr/share/man/*' '--dpkgopt=path-exclude=/usr/share/locale/*' || return 1
	_vm_configure "$root"
	mkdir -p "$root/lib/modules"
	cp -r $VM_UML_MODULES/* "$root/lib/modules/"
	_vm_kernel "$1" && mke2fs -q -t ext4 -O ^has_journal -d "$root" "$1/root.img" 2G
}

# Prints the folder of the image, made if need be; false: it cannot be made.
vm_image() {
	local dir work
	dir=$(vm_image_dir)
	if [ ! -d "$dir" ]; then
		echo "==> a Debian 12 and a kernel in $dir (a minute or two; kept for the next time)" >&2
		mkdir -p build-vm
		rm -rf --one-file-system build-vm/*.new build-vm/????????????????
		work=$(mktemp -d build-vm/XXXXXX.new) || return 1
		chmod 755 "$work"
		if ! _vm_image_into "$work" >&2; then
			rm -rf --one-file-system "$work"
			return 1
		fi
		rm -rf --one-file-system "$work/root" "$work/debs"
		mv "$work" "$dir"
	fi
	echo "$dir"
}
