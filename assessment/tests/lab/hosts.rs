//! What a process on a host sees, and what it may use.

use std::net::{TcpListener, TcpStream};

use assessment::lab::LinkKind;

use crate::support::{lab, said};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_sees_its_own_network_alone() {
    let mut lab = lab().await;
    if lab.kind() == LinkKind::Proxy {
        return;
    }
    let (one, other) = (lab.host("one").await.unwrap(), lab.host("other").await.unwrap());
    let interfaces = said(&one, "cut -d: -f1 -s /proc/net/dev").await;
    assert_eq!(interfaces.split_ascii_whitespace().collect::<Vec<_>>(), ["lo", "lab0"]);
    // What listens on one host's loopback is not on another's.
    let here = one.inside(|| TcpListener::bind(("127.0.0.1", 0))).unwrap().unwrap();
    let address = here.local_addr().unwrap();
    assert!(other.inside(|| TcpStream::connect(address)).unwrap().is_err());
    one.inside(|| TcpStream::connect(address)).unwrap().unwrap();
    lab.close().await.unwrap();
}
