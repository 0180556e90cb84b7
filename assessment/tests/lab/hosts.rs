//! What a process on a host sees, and what it may use.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use assessment::lab::{Host, Lab, LabError, LabOptions};
use assessment::lab::{Limits, Link};

use crate::support::{eventually, lab, real, said, shell};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_sees_its_own_network_alone() {
    let Some(mut lab) = real().await else { return };
    let (one, other) = (lab.host("one").await.unwrap(), lab.host("other").await.unwrap());
    let interfaces = said(&one, "cut -d: -f1 -s /proc/net/dev", &Limits::NONE).await;
    assert_eq!(interfaces.split_ascii_whitespace().collect::<Vec<_>>(), ["lo", "lab0"]);
    assert_eq!(
        said(&one, "cat /proc/net/if_inet6 2>/dev/null || true", &Limits::NONE).await,
        "",
        "there is IPv6"
    );
    // What listens on one host's loopback is not on another's.
    let here = one.inside(|| TcpListener::bind(("127.0.0.1", 0))).unwrap().unwrap();
    let address = here.local_addr().unwrap();
    assert!(other.inside(|| TcpStream::connect(address)).unwrap().is_err());
    one.inside(|| TcpStream::connect(address)).unwrap().unwrap();
    lab.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_gone_leaves_the_others_alone() {
    let Some(mut lab) = real().await else { return };
    let (gone, one) = (lab.host("gone").await.unwrap(), lab.host("one").await.unwrap());
    let other = lab.host("other").await.unwrap();
    // Where iproute2 is not there, the host alone is gone.
    said(&gone, "ip link delete lab0 2>/dev/null || true", &Limits::NONE).await;
    drop(gone);
    let bind = |host: &Host| host.inside(|| UdpSocket::bind((host.address(), 0))).unwrap().unwrap();
    let (near, far) = (bind(&one), bind(&other));
    near.connect(far.local_addr().unwrap()).unwrap();
    let (began, before) = (Instant::now(), lab.relay().unwrap().cpu_ms);
    while began.elapsed() < Duration::from_millis(400) {
        near.send(&[1]).unwrap();
        far.recv(&mut [0]).unwrap();
    }
    // A device without an interface is always ready.
    let (used, elapsed) = (lab.relay().unwrap().cpu_ms - before, began.elapsed());
    assert!(used < elapsed.as_secs_f64() * 1000.0 * 0.7, "the relay was busy for {used} ms of {elapsed:?}");
    assert!(matches!(lab.host("one").await, Err(LabError::Name(_))), "a name was given twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fifth_of_a_core_is_no_more() {
    let mut lab = lab().await;
    let host = lab.host("busy").await.unwrap();
    let limits = Limits { cpu_percent: Some(20), cores: None };
    let mut process = match host.spawn(shell("while :; do :; done"), &limits).await {
        Ok(process) => process,
        Err(LabError::Unlimited { .. }) => return eprintln!("not tested here: {}", lab.notes().join("; ")),
        Err(error) => panic!("{error}"),
    };
    let (began, used) = (Instant::now(), process.usage().cpu_ms);
    eventually("the process uses 200 ms", || process.usage().cpu_ms >= used + 200.0).await;
    // A period of the quota may be used up at once at either end.
    assert!(began.elapsed() >= Duration::from_millis(900), "after {:?}", began.elapsed());
    assert!(process.usage().rss_peak_bytes > 100_000, "{:?}", process.usage());
    assert!(process.usage().stack_peak_bytes >= Some(4096), "{:?}", process.usage());
    process.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_core_is_the_last_one() {
    let mut lab = lab().await;
    let host = lab.host("narrow").await.unwrap();
    let cores = "grep Cpus_allowed_list /proc/self/status | cut -f2";
    let all = said(&host, cores, &Limits::NONE).await;
    let last = all.trim().rsplit([',', '-']).next().unwrap().to_owned();
    let one = Limits { cores: Some(1), cpu_percent: None };
    assert_eq!(said(&host, cores, &one).await.trim(), last);
    assert_eq!(said(&host, "nproc", &one).await.trim(), "1");
    let error =
        host.spawn(shell(":"), &Limits { cores: Some(100_000), cpu_percent: None }).await.unwrap_err();
    assert!(error.to_string().contains("cores = 100000"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_is_not_there_is_named() {
    let mut lab = lab().await;
    let host = lab.host("one").await.unwrap();
    let error = host.spawn(Command::new("/nonexistent/program"), &Limits::NONE).await.unwrap_err();
    assert!(error.to_string().starts_with("/nonexistent/program: "), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_kernel_emulates_nothing_itself_it_says_so() {
    match Lab::open(LabOptions { link: Link::Netem, ..LabOptions::default() }).await {
        Ok(lab) => lab.close().await.unwrap(),
        Err(LabError::Namespace(error)) => eprintln!("not tested here: {error}"),
        Err(error) => {
            let said = error.to_string();
            assert!(said.starts_with("netem, ") && said.contains("or choose the relay"), "{said}");
        }
    }
}
