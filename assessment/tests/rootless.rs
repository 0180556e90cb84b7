//! A lab without root: a program of its own, since a user namespace is made before any thread.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use assessment::lab::{Lab, LabError, LabOptions, Link, LinkKind, become_root_within};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};

/// Nobody, who has no rights.
const NOBODY: u32 = 65534;

/// A folder for the lab, where this program is to be the user that it plays.
const INNER: &str = "ROOTLESS_LAB";

fn main() {
    if let Some(folder) = std::env::var_os(INNER) {
        return inner(Path::new(&folder));
    }
    // Listed and left out as other tests are.
    if std::env::args().any(|argument| argument == "--list" || argument == "--ignored") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(INNER, folder.path());
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        if let Err(error) = open_device(folder.path()) {
            return println!("not tested here: no device that users may open: {error}");
        }
        command.uid(NOBODY).gid(NOBODY);
    }
    println!("test a_user_without_rights_has_a_whole_network ...");
    let status = command.status().unwrap();
    // Only this program saw it, and it may not be there: then nothing was mounted.
    let _ = umount2("/dev/net/tun", MntFlags::MNT_DETACH);
    let _ = umount2(&folder.path().join("devices"), MntFlags::MNT_DETACH);
    assert!(status.success());
    println!("ok");
}

/// On many systems everybody may open /dev/net/tun; here this program and its children see one like that.
fn open_device(folder: &Path) -> nix::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    let devices = folder.join("devices");
    fs::create_dir(&devices).unwrap();
    mount(Some("tmpfs"), &devices, Some("tmpfs"), MsFlags::empty(), None::<&str>)?;
    let device = devices.join("tun");
    mknod(&device, SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(10, 200))?;
    fs::set_permissions(&device, fs::Permissions::from_mode(0o666)).unwrap();
    mount(Some(&device), "/dev/net/tun", None::<&str>, MsFlags::MS_BIND, None::<&str>)
}

/// As the user without rights.
fn inner(folder: &Path) {
    match become_root_within() {
        Ok(was_made) => assert!(was_made, "this is root"),
        Err(LabError::Namespace(error)) => return println!("not tested here: {error}"),
        Err(error) => panic!("{error}"),
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let options = LabOptions { link: Link::Relay, temporary: folder.to_owned(), ..LabOptions::default() };
        let mut lab = Lab::open(options).await.unwrap();
        assert_eq!(lab.kind(), LinkKind::Relay);
        // What this user can't have is said.
        assert!(
            lab.notes().iter().any(|note| note.starts_with("CPU time is not limited")),
            "{:?}",
            lab.notes()
        );
        let (one, other) = (lab.host("one").await.unwrap(), lab.host("other").await.unwrap());
        let near = one.inside(|| UdpSocket::bind((one.address(), 0))).unwrap().unwrap();
        let far = other.inside(|| UdpSocket::bind((other.address(), 0))).unwrap().unwrap();
        near.send_to(&[7], far.local_addr().unwrap()).unwrap();
        let mut byte = [0];
        assert_eq!(far.recv_from(&mut byte).unwrap().1, near.local_addr().unwrap());
        assert_eq!(byte, [7]);
        lab.close().await.unwrap();
    });
}
